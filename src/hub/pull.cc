// SPDX-License-Identifier: Apache-2.0
#include "hub/pull.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "hub/file_lock.h"
#include "hub/hub_client.h"

namespace vila::hub {
namespace {

namespace fs = std::filesystem;
using formats::HubCache;
using formats::HubId;

constexpr const char* kPartialExtension = ".incomplete";

/// A file to have, and how much of it is here.
struct Wanted {
  std::string path;
  BlobId blob;
  uint64_t here = 0;
  bool was_here = false;
};

uint64_t size_or_zero(const fs::path& path) {
  std::error_code failure;
  const uintmax_t size = fs::file_size(path, failure);
  return failure ? 0 : size;
}

[[noreturn]] void fail_system(const fs::path& path, const char* action,
                              const std::error_code& failure) {
  fail(ErrorCode::failed, "{}: could not {}: {}", path.string(), action, failure.message());
}

void make_folder(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) fail_system(folder, "create", failure);
}

/// One pull of one commit.
class Pull {
 public:
  Pull(const HubId& id, const Settings& settings, const Hooks& hooks)
      : id_(id), cache_(settings.cache), hooks_(hooks), client_(settings, hooks) {}

  Pulled run(const std::vector<std::string>& patterns);

 private:
  fs::path blob(const Wanted& file) const {
    return cache_.repository(id_) / "blobs" / file.blob.etag;
  }

  fs::path partial(const Wanted& file) const { return blob(file) += kPartialExtension; }

  void look_at(const RemoteFile& file);
  void check_room() const;
  void fetch(Wanted& file);
  void link(const Wanted& file) const;
  void report(const Wanted& file, uint64_t here);

  const HubId& id_;
  HubCache cache_;
  const Hooks& hooks_;
  HubClient client_;
  std::string commit_;
  std::vector<Wanted> files_;
  uint64_t done_ = 0;  // bytes of finished files
  uint64_t total_ = 0;
};

/// Plans one file: what it must be, and what of it is here.
void Pull::look_at(const RemoteFile& remote) {
  Wanted file{.path = remote.path, .blob = client_.blob_of(id_, commit_, remote)};
  std::error_code ignored;
  file.was_here = fs::exists(blob(file), ignored);
  file.here = file.was_here ? file.blob.size : size_or_zero(partial(file));
  file.here = std::min(file.here, file.blob.size);
  total_ += file.blob.size;
  files_.push_back(std::move(file));
}

void Pull::check_room() const {
  uint64_t needed = 0;
  for (const Wanted& file : files_) {
    const uint64_t missing = file.blob.size - file.here;
    needed = missing > UINT64_MAX - needed ? UINT64_MAX : needed + missing;
  }
  check_disk(cache_.root(), needed);
}

void Pull::report(const Wanted& file, uint64_t here) {
  if (!hooks_.on_progress) return;
  hooks_.on_progress({file.path, here, file.blob.size, done_ + here, total_});
}

void Pull::fetch(Wanted& file) {
  const fs::path lock_file = cache_.locks(id_) / (file.blob.etag + ".lock");
  bool is_waiting = false;
  const FileLock lock = FileLock::take(lock_file, [&] {
    if (hooks_.cancelled()) fail(ErrorCode::cancelled, "cancelled");
    if (is_waiting) return;
    is_waiting = true;
    hooks_.say(LogLevel::info, fmt::format("{}: another process downloads it; waiting", file.path));
  });
  if (!fs::exists(blob(file))) {
    report(file, file.here);
    PartialFile part(partial(file), file.blob);
    client_.download({id_, commit_, file.path, blob(file)}, part,
                     [&](uint64_t here) { report(file, here); });
  }
  done_ += file.blob.size;
}

/// Makes snapshots/COMMIT/PATH a link to the blob, in one step.
void Pull::link(const Wanted& file) const {
  const fs::path place = cache_.snapshot_of_commit(id_, commit_) / file.path;
  make_folder(place.parent_path());
  fs::path temporary = place;
  temporary += ".new";
  std::error_code failure;
  fs::remove(temporary, failure);
  fs::create_symlink(blob(file).lexically_relative(place.parent_path()), temporary, failure);
  if (!failure) fs::rename(temporary, place, failure);
  if (failure) fail_system(place, "link to the blob", failure);
}

Pulled Pull::run(const std::vector<std::string>& patterns) {
  Listing listing = client_.list(id_);
  commit_ = listing.commit;
  for (const RemoteFile& file : choose_files(std::move(listing.files), patterns, id_.text()))
    look_at(file);
  check_room();
  make_folder(cache_.repository(id_) / "blobs");
  for (Wanted& file : files_)
    fetch(file);
  for (const Wanted& file : files_)
    link(file);
  if (!formats::is_commit(id_.revision)) {
    make_folder(cache_.ref(id_).parent_path());
    write_file(cache_.ref(id_), commit_);
  }
  Pulled result{id_, commit_, cache_.snapshot_of_commit(id_, commit_), {}};
  for (const Wanted& file : files_)
    result.files.push_back({file.path, file.blob.size, file.was_here});
  return result;
}

Pulled what_is_here(const HubId& id, const Settings& settings) {
  const HubCache cache(settings.cache);
  const auto folder = cache.snapshot(id);
  if (!folder) {
    fail(ErrorCode::network,
         "{}: expected it in the cache {} since HF_HUB_OFFLINE is set, found none; unset it to "
         "download",
         id.text(), settings.cache.string());
  }
  Pulled result{id, *cache.commit(id), *folder, {}};
  for (const auto& entry : fs::recursive_directory_iterator(*folder)) {
    if (!entry.is_regular_file()) continue;
    result.files.push_back(
        {entry.path().lexically_relative(*folder), size_or_zero(entry.path()), true});
  }
  return result;
}

/// A text member of a JSON file of the snapshot; "" where there is none.
std::string text_of(const fs::path& file, const char* key) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return "";
  try {
    const Json json = read_json_file(file, ErrorCode::invalid_model);
    const auto found = json.is_object() ? json.find(key) : json.end();
    return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>()
                                                                         : "";
  } catch (const Error&) {
    return "";  // who loads the model says so
  }
}

}  // namespace

void check_disk(const fs::path& folder, uint64_t needed) {
  constexpr double kMegabyte = 1e6;
  fs::path existing = fs::absolute(folder);
  std::error_code failure;
  while (!fs::exists(existing, failure) && existing.has_relative_path())
    existing = existing.parent_path();
  const fs::space_info space = fs::space(existing, failure);
  if (failure || needed <= space.available) return;
  fail(ErrorCode::insufficient_disk,
       "{}: expected {:.1f} MB free for the download, found {:.1f} MB; free some (vila rm), or set "
       "HF_HUB_CACHE to a folder of another disk",
       existing.string(), static_cast<double>(needed) / kMegabyte,
       static_cast<double>(space.available) / kMegabyte);
}

Pulled pull(const HubId& id, const std::vector<std::string>& patterns, const Settings& settings,
            const Hooks& hooks) {
  if (settings.is_offline) return what_is_here(id, settings);
  const bool is_withheld = !settings.token.empty() && !may_carry_token(settings.endpoint);
  if (is_withheld) {
    hooks.say(LogLevel::warning,
              fmt::format("HF_TOKEN is not sent to {}: anyone on the way could read it; use https",
                          settings.endpoint));
  }
  return Pull(id, settings, hooks).run(patterns);
}

std::vector<HubId> missing_companions(const fs::path& snapshot) {
  std::vector<HubId> missing;
  const auto cache = formats::hub_cache_around(snapshot);
  const std::pair<const char*, const char*> rows[] = {
      {"config.json", "mm_vision_tower"}, {"adapter_config.json", "base_model_name_or_path"}};
  for (const auto& [file, key] : rows) {
    const std::string name = text_of(snapshot / file, key);
    const auto id = formats::parse_hub_id(name);
    if (!id || !cache || fs::exists(snapshot / name) || cache->snapshot(*id)) continue;
    missing.push_back(*id);
  }
  return missing;
}

}  // namespace vila::hub
