// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "formats/hub_cache.h"
#include "hub/settings.h"

namespace vila::hub {

/// A file of a repository, as it now lies in the cache; `size` in bytes.
struct PulledFile {
  std::string path;
  uint64_t size = 0;
  bool was_here = false;  // nothing of it had to be fetched
};

/// What a pull brought. A value.
struct Pulled {
  formats::HubId id;
  std::string commit;
  std::filesystem::path folder;  // the snapshot
  std::vector<PulledFile> files;
};

/// Downloads the files of a model into the cache. Blobs that are here stay; half ones go on from
/// their end; each is checked against its SHA-256 or git id. The links of the snapshot and the note
/// of where the revision stands are made when all blobs are here, so that a snapshot that can be
/// seen is whole. Two pulls of one blob wait for each other.
///
/// Without a network (Settings::is_offline) what is here is returned.
/// @param patterns  which files, as choose_files()
/// @throws Error{network} saying what to do; Error{insufficient_disk} before the first byte, with
/// both figures; Error{invalid_argument} as choose_files(); Error{cancelled}.
Pulled pull(const formats::HubId& id, const std::vector<std::string>& patterns,
            const Settings& settings, const Hooks& hooks);

/// Throws Error{insufficient_disk} when `needed` bytes are more than the file system of `folder`
/// (or of the nearest folder above that exists) has left.
void check_disk(const std::filesystem::path& folder, uint64_t needed);

/// Repositories that a pulled model needs besides its own and that are not in the cache: the tower
/// that config.json names (mm_vision_tower) and the base of an adapter.
std::vector<formats::HubId> missing_companions(const std::filesystem::path& snapshot);

}  // namespace vila::hub
