// SPDX-License-Identifier: Apache-2.0
#include "hub/stored_models.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "hub/file_lock.h"

namespace vila::hub {
namespace {

namespace fs = std::filesystem;
using formats::HubCache;
using formats::HubId;

uint64_t size_or_zero(const fs::path& path) {
  std::error_code failure;
  const uintmax_t size = fs::file_size(path, failure);
  return failure ? 0 : size;
}

/// Sizes of half downloads, of this program and of huggingface_hub.
uint64_t partial_bytes(const fs::path& repository) {
  uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(repository / "blobs", ignored)) {
    if (entry.path().extension() == ".incomplete") bytes += size_or_zero(entry.path());
  }
  return bytes;
}

/// Adds what the links of a snapshot lead to.
void add_files(StoredModel& model) {
  std::set<fs::path> blobs;
  for (const auto& entry : fs::recursive_directory_iterator(model.folder)) {
    if (entry.is_directory()) continue;
    std::error_code failure;
    const fs::path blob = fs::canonical(entry.path(), failure);
    ++model.files;
    model.is_whole = model.is_whole && !failure;
    if (!failure && blobs.insert(blob).second) model.bytes += size_or_zero(blob);
  }
}

std::vector<std::string> commits_of(const HubCache& cache, const HubId& id) {
  std::vector<std::string> commits;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(cache.repository(id) / "snapshots", ignored)) {
    if (formats::is_commit(entry.path().filename().string()))
      commits.push_back(entry.path().filename());
  }
  std::ranges::sort(commits);
  return commits;
}

void add_repository(const HubCache& cache, const HubId& id, std::vector<StoredModel>& models) {
  std::map<std::string, std::vector<std::string>> names;
  for (const std::string& revision : cache.revisions(id)) {
    if (!formats::is_commit(revision))
      names[*cache.commit({id.repository, revision})].push_back(revision);
  }
  uint64_t partial = partial_bytes(cache.repository(id));
  for (const std::string& commit : commits_of(cache, id)) {
    StoredModel model{.repository = id.repository,
                      .commit = commit,
                      .revisions = names[commit],
                      .folder = cache.snapshot_of_commit(id, commit),
                      .partial_bytes = std::exchange(partial, 0)};
    add_files(model);
    models.push_back(std::move(model));
  }
  if (partial == 0) return;
  models.push_back({.repository = id.repository,
                    .commit = "",
                    .revisions = {},
                    .folder = cache.repository(id),
                    .partial_bytes = partial,
                    .is_whole = false});
}

/// Every lock of a repository, so that no download of it runs meanwhile.
std::vector<FileLock> take_locks(const HubCache& cache, const HubId& id) {
  std::vector<FileLock> locks;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(cache.locks(id), ignored)) {
    auto lock = FileLock::try_take(entry.path());
    if (!lock) {
      fail(ErrorCode::failed, "{}: a download of it is running; end it first", id.repository);
    }
    locks.push_back(std::move(*lock));
  }
  return locks;
}

/// Blobs that the snapshots of these commits use.
std::set<fs::path> blobs_of(const HubCache& cache, const HubId& id,
                            const std::vector<std::string>& commits) {
  std::set<fs::path> blobs;
  for (const std::string& commit : commits) {
    for (const auto& entry :
         fs::recursive_directory_iterator(cache.snapshot_of_commit(id, commit))) {
      std::error_code failure;
      const fs::path blob = fs::canonical(entry.path(), failure);
      if (!entry.is_directory() && !failure) blobs.insert(blob);
    }
  }
  return blobs;
}

/// @return bytes freed
uint64_t remove_files(const std::set<fs::path>& files) {
  uint64_t bytes = 0;
  for (const fs::path& file : files) {
    bytes += size_or_zero(file);
    fs::remove(file);
  }
  return bytes;
}

uint64_t remove_everything(const HubCache& cache, const HubId& id) {
  uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(cache.repository(id) / "blobs", ignored))
    bytes += size_or_zero(entry.path());
  fs::remove_all(cache.repository(id));
  fs::remove_all(cache.locks(id), ignored);
  return bytes;
}

uint64_t remove_commit(const HubCache& cache, const HubId& id, const std::string& commit) {
  std::vector<std::string> others = commits_of(cache, id);
  std::erase(others, commit);
  std::set<fs::path> blobs = blobs_of(cache, id, {commit});
  for (const fs::path& kept : blobs_of(cache, id, others))
    blobs.erase(kept);
  for (const std::string& revision : cache.revisions(id)) {
    const HubId at{id.repository, revision};
    if (!formats::is_commit(revision) && cache.commit(at) == commit) fs::remove(cache.ref(at));
  }
  fs::remove_all(cache.snapshot_of_commit(id, commit));
  return remove_files(blobs);
}

[[noreturn]] void fail_absent(const HubCache& cache, const HubId& id) {
  std::string there;
  for (const std::string& revision : cache.revisions(id))
    there += (there.empty() ? "" : ", ") + revision;
  fail(ErrorCode::not_found, "{}: expected it in the cache {}, found {}", id.text(),
       cache.root().string(), there.empty() ? "nothing of it" : "only " + there);
}

}  // namespace

std::vector<StoredModel> stored_models(const fs::path& cache_folder) {
  const HubCache cache(cache_folder);
  std::vector<StoredModel> models;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(cache_folder, ignored)) {
    const auto id = formats::hub_id_of_folder(entry.path().filename().string());
    if (id && entry.is_directory()) add_repository(cache, *id, models);
  }
  std::ranges::sort(models, {}, [](const StoredModel& model) {
    return std::pair(model.repository, model.commit);
  });
  return models;
}

Removed remove_model(const fs::path& cache_folder, const HubId& id, bool whole_repository) {
  const HubCache cache(cache_folder);
  const auto commit = cache.commit(id);
  const bool is_there =
      whole_repository ? fs::exists(cache.repository(id)) : cache.snapshot(id).has_value();
  if (!is_there) fail_absent(cache, id);
  const std::vector<std::string> commits = commits_of(cache, id);
  const std::vector<FileLock> locks = take_locks(cache, id);
  if (whole_repository || commits.size() == 1) return {commits, remove_everything(cache, id)};
  return {{*commit}, remove_commit(cache, id, *commit)};
}

}  // namespace vila::hub
