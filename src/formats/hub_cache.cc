// SPDX-License-Identifier: Apache-2.0
#include "formats/hub_cache.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFolderPrefix = "models--";
constexpr size_t kMaxNameBytes = 96;  // of the Hub
constexpr size_t kMaxRevisionBytes = 200;
constexpr size_t kCommitDigits = 40;
constexpr size_t kMaxRefBytes = 256;

bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_name(std::string_view text) {
  const bool has_bytes =
      std::ranges::all_of(text, [](char c) { return is_word_byte(c) || c == '-' || c == '.'; });
  return has_bytes && !text.empty() && text.size() <= kMaxNameBytes && is_word_byte(text.front()) &&
         text.find("--") == text.npos && text.find("..") == text.npos;
}

/// A revision becomes a path below refs/, so each of its steps must be a plain name.
bool is_revision(std::string_view text) {
  if (text.empty() || text.size() > kMaxRevisionBytes) return false;
  return std::ranges::all_of(split(text, "/"), [](std::string_view step) {
    const bool has_bytes = std::ranges::all_of(
        step, [](char c) { return is_word_byte(c) || c == '-' || c == '.' || c == '+'; });
    return has_bytes && !step.empty() && step.front() != '.' && step.front() != '-';
  });
}

std::string folder_name(const HubId& id) {
  return std::string(kFolderPrefix) + replace_all(id.repository, "/", "--");
}

}  // namespace

std::string HubId::text() const {
  return revision == "main" ? repository : repository + "@" + revision;
}

std::optional<HubId> parse_hub_id(std::string_view text) {
  const size_t at = text.find('@');
  HubId id{.repository = std::string(text.substr(0, at))};
  if (at != text.npos) id.revision = text.substr(at + 1);
  const auto parts = split(id.repository, "/");
  const bool is_valid =
      parts.size() == 2 && is_name(parts[0]) && is_name(parts[1]) && is_revision(id.revision);
  return is_valid ? std::optional(id) : std::nullopt;
}

bool is_commit(std::string_view text) noexcept {
  return text.size() == kCommitDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

fs::path HubCache::repository(const HubId& id) const {
  return root_ / folder_name(id);
}

fs::path HubCache::locks(const HubId& id) const {
  return root_ / ".locks" / folder_name(id);
}

fs::path HubCache::ref(const HubId& id) const {
  return repository(id) / "refs" / id.revision;
}

fs::path HubCache::snapshot_of_commit(const HubId& id, std::string_view commit) const {
  return repository(id) / "snapshots" / commit;
}

std::optional<std::string> HubCache::commit(const HubId& id) const {
  if (is_commit(id.revision)) return id.revision;
  std::error_code ignored;
  const fs::path path = ref(id);
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  std::string commit = read_file(path, kMaxRefBytes);
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r'))
    commit.pop_back();
  return is_commit(commit) ? std::optional(commit) : std::nullopt;
}

std::optional<fs::path> HubCache::snapshot(const HubId& id) const {
  const std::optional<std::string> found = commit(id);
  if (!found) return std::nullopt;
  const fs::path folder = snapshot_of_commit(id, *found);
  std::error_code ignored;
  return fs::is_directory(folder, ignored) ? std::optional(folder) : std::nullopt;
}

std::vector<std::string> HubCache::revisions(const HubId& id) const {
  std::vector<std::string> names;
  std::set<std::string> named;  // commits that a branch or tag stands for
  std::error_code ignored;
  const fs::path refs = repository(id) / "refs";
  for (const auto& entry : fs::recursive_directory_iterator(refs, ignored)) {
    HubId at{.repository = id.repository, .revision = entry.path().lexically_relative(refs)};
    if (!entry.is_regular_file() || !snapshot(at)) continue;
    names.push_back(at.revision);
    named.insert(*commit(at));
  }
  for (const auto& entry : fs::directory_iterator(repository(id) / "snapshots", ignored)) {
    const std::string commit = entry.path().filename();
    if (is_commit(commit) && !named.contains(commit)) names.push_back(commit);
  }
  std::ranges::sort(names);
  return names;
}

std::optional<HubId> hub_id_of_folder(std::string_view name) {
  if (!name.starts_with(kFolderPrefix)) return std::nullopt;
  return parse_hub_id(replace_all(name.substr(kFolderPrefix.size()), "--", "/"));
}

std::optional<HubCache> hub_cache_around(const fs::path& snapshot) {
  const fs::path folder = fs::absolute(snapshot).lexically_normal();
  const fs::path last = folder.has_filename() ? folder : folder.parent_path();
  const fs::path repository = last.parent_path().parent_path();
  const bool is_snapshot = is_commit(last.filename().string()) &&
                           last.parent_path().filename() == "snapshots" &&
                           hub_id_of_folder(repository.filename().string());
  return is_snapshot ? std::optional(HubCache(repository.parent_path())) : std::nullopt;
}

}  // namespace vila::formats
