// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "formats/hub_cache.h"

namespace vila::hub {

/// One commit of a repository in the cache. A value.
struct StoredModel {
  std::string repository;
  std::string commit;                  // "" for downloads of which nothing is whole yet
  std::vector<std::string> revisions;  // branches and tags that stand there
  std::filesystem::path folder;
  size_t files = 0;
  uint64_t bytes = 0;          // of the files, without what is missing
  uint64_t partial_bytes = 0;  // of half downloads in the repository
  bool is_whole = true;        // false: a link has lost its blob
};

/// All models of the cache, in order of their names; none where there is no cache.
std::vector<StoredModel> stored_models(const std::filesystem::path& cache);

/// What remove_model() did.
struct Removed {
  std::vector<std::string> commits;
  uint64_t bytes = 0;  // freed
};

/// Removes a commit with its refs and the blobs that no other commit uses; or the
/// whole repository, half downloads included.
/// @throws Error{not_found} naming what is there instead; Error{failed} while a download of the
/// repository runs.
Removed remove_model(const std::filesystem::path& cache, const formats::HubId& id,
                     bool whole_repository);

}  // namespace vila::hub
