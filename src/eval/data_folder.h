// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/parts.h"

namespace vila::eval {

/// A benchmark's files as someone unpacked them: found by name, whichever subfolder they are in.
/// Immutable once built.
class DataFolder {
 public:
  /// Lists the folder, four levels deep, without its pictures. @throws Error{not_found}
  explicit DataFolder(std::filesystem::path root);

  const std::filesystem::path& root() const { return root_; }

  /// The file with the first of `names` that is there, the one nearest to the root; a name may
  /// start or end with '*'.
  std::optional<std::filesystem::path> find(std::initializer_list<std::string_view> names) const;

  /// The same. @throws Error{not_found} naming folder, names and what they are for.
  std::filesystem::path require(std::string_view what,
                                std::initializer_list<std::string_view> names) const;

  /// All files with a name of that form, in order of path.
  std::vector<std::filesystem::path> all(std::string_view name) const;

  /// The picture `name` (as the rows give it, folders included), below the root or one of its
  /// folders. @throws Error{not_found} naming `row`.
  std::filesystem::path picture(const std::string& name, const std::string& row) const;

  /// The video file called `name` (folders in front of it do not count, its extension may be left
  /// out), wherever below the root: the one nearest to it.
  std::optional<std::filesystem::path> find_video(const std::string& name) const;

  /// Names of the pictures in the folder `name`, below the root or one of its folders, in no
  /// particular order; empty where there is no such folder.
  std::vector<std::string> pictures_in(const std::string& name) const;

 private:
  std::filesystem::path root_;
  std::vector<std::filesystem::path> files_;                          // by depth, then by name
  std::vector<std::filesystem::path> folders_;                        // the same, the root first
  std::map<std::string, std::filesystem::path, std::less<>> videos_;  // by name and by stem
};

/// read_lines() of a whole file. @throws Error{not_found | invalid_data}
void read_jsonl(const std::filesystem::path& path, const ReadLine& read);

}  // namespace vila::eval
