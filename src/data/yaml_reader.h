// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <yaml-cpp/yaml.h>

namespace vila::data {

/// Reads the keys of one YAML mapping of a recipe strictly: each may be taken once, and finish()
/// refuses what nobody asked for. One thread.
class YamlReader {
 public:
  /// @param where  file and path of keys, for messages, e.g. "sft.yaml: train".
  YamlReader(YAML::Node node, std::string where);

  bool has(const std::string& key) const;
  /// The value of `key`, or `fallback` when it is absent. @throws Error{invalid_config}
  std::string text(const std::string& key, const std::string& fallback);
  int64_t integer(const std::string& key, int64_t fallback, int64_t least);
  double number(const std::string& key, double fallback, double least, double most);
  bool flag(const std::string& key, bool fallback);
  /// A single text counts as a list of one.
  std::vector<std::string> texts(const std::string& key);
  std::vector<double> numbers(const std::string& key);
  /// Member mappings; empty where absent.
  YamlReader member(const std::string& key);
  std::vector<YamlReader> members(const std::string& key);
  /// Keys of this mapping, in the file's order.
  std::vector<std::string> keys() const;

  /// @throws Error{invalid_config} naming the first unknown key and all known ones.
  void finish() const;
  /// @throws Error{invalid_config} "where.key: message".
  [[noreturn]] void refuse(const std::string& key, const std::string& message) const;

 private:
  YAML::Node find(const std::string& key);

  YAML::Node node_;
  std::string where_;
  std::set<std::string> known_;
};

/// One YAML document as a tree. @throws Error{invalid_config} with `where`, line and reason.
YAML::Node parse_yaml(const std::string& text, const std::string& where);

}  // namespace vila::data
