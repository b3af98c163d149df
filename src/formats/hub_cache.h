// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vila::formats {

/// A model of the Hugging Face Hub. A value.
struct HubId {
  std::string repository;         // "organisation/name"
  std::string revision = "main";  // a branch, a tag or the 40 digits of a commit

  /// "organisation/name@revision"; without "@main".
  std::string text() const;
};

/// Reads "organisation/name[@revision]". Nothing where the text is of another form: letters,
/// digits, '.', '_' and '-' in both parts, neither starting with '.' or '-' nor holding "--" or
/// "..", which the cache's folder names could not carry.
std::optional<HubId> parse_hub_id(std::string_view text);

/// Whether the text is the name of a commit: 40 lower-case hexadecimal digits.
bool is_commit(std::string_view text) noexcept;

/// The folders in which huggingface_hub keeps what it downloads, so that its files and ours are the
/// same. Paths only; nothing is created. A value.
///
///   models--organisation--name/refs/REVISION        the commit that a branch or tag stood at
///   models--organisation--name/blobs/ETAG           contents, by SHA-256 or git's object id
///   models--organisation--name/snapshots/COMMIT/…   the files of a commit: links to the blobs
///   .locks/models--organisation--name/ETAG.lock     held (flock) by who downloads that blob
///
/// Source: "Understand caching" in huggingface_hub's documentation.
class HubCache {
 public:
  explicit HubCache(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }

  std::filesystem::path repository(const HubId& id) const;
  std::filesystem::path locks(const HubId& id) const;
  /// Where the commit of id.revision is noted.
  std::filesystem::path ref(const HubId& id) const;
  std::filesystem::path snapshot_of_commit(const HubId& id, std::string_view commit) const;

  /// The commit that id.revision stands for here; nothing when it was not pulled.
  std::optional<std::string> commit(const HubId& id) const;

  /// The folder of id's files; nothing when it was not pulled.
  std::optional<std::filesystem::path> snapshot(const HubId& id) const;

  /// The branches, tags and bare commits of id.repository that are here, in order of their names.
  std::vector<std::string> revisions(const HubId& id) const;

 private:
  std::filesystem::path root_;
};

/// The repository whose folder in a cache has this name ("models--organisation--name").
std::optional<HubId> hub_id_of_folder(std::string_view folder_name);

/// The cache around a folder of the form …/models--organisation--name/snapshots/COMMIT.
std::optional<HubCache> hub_cache_around(const std::filesystem::path& snapshot);

}  // namespace vila::formats
