// SPDX-License-Identifier: Apache-2.0
#include "data/yaml_reader.h"

#include <optional>
#include <utility>

#include "base/error.h"

namespace vila::data {
namespace {

template <typename T>
std::optional<T> converted(const YAML::Node& node) {
  T value{};
  if (node.IsScalar() && YAML::convert<T>::decode(node, value)) return value;
  return std::nullopt;
}

std::string shown(const YAML::Node& node) {
  return node.IsScalar() ? "'" + node.Scalar() + "'" : "a list or mapping";
}

}  // namespace

YamlReader::YamlReader(YAML::Node node, std::string where)
    : node_(std::move(node)), where_(std::move(where)) {
  if (node_.IsDefined() && !node_.IsNull() && !node_.IsMap()) {
    fail(ErrorCode::invalid_config, "{}: expected a mapping of keys, found {}", where_,
         shown(node_));
  }
}

YAML::Node YamlReader::find(const std::string& key) {
  known_.insert(key);
  if (!node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
  return std::as_const(node_)[key];
}

bool YamlReader::has(const std::string& key) const {
  return node_.IsMap() && std::as_const(node_)[key].IsDefined();
}

void YamlReader::refuse(const std::string& key, const std::string& message) const {
  fail(ErrorCode::invalid_config, "{}.{}: {}", where_, key, message);
}

std::string YamlReader::text(const std::string& key, const std::string& fallback) {
  const YAML::Node node = find(key);
  if (!node.IsDefined() || node.IsNull()) return fallback;
  if (!node.IsScalar()) refuse(key, "expected text, found a list or mapping");
  return node.Scalar();
}

int64_t YamlReader::integer(const std::string& key, int64_t fallback, int64_t least) {
  const YAML::Node node = find(key);
  if (!node.IsDefined()) return fallback;
  const auto value = converted<int64_t>(node);
  if (!value || *value < least) {
    refuse(key, fmt::format("expected a whole number >= {}, found {}", least, shown(node)));
  }
  return *value;
}

double YamlReader::number(const std::string& key, double fallback, double least, double most) {
  const YAML::Node node = find(key);
  if (!node.IsDefined()) return fallback;
  const auto value = converted<double>(node);
  if (!value || !(*value >= least && *value <= most)) {
    refuse(key, fmt::format("expected a number from {} to {}, found {}", least, most, shown(node)));
  }
  return *value;
}

bool YamlReader::flag(const std::string& key, bool fallback) {
  const YAML::Node node = find(key);
  if (!node.IsDefined()) return fallback;
  const auto value = converted<bool>(node);
  if (!value) refuse(key, "expected true or false, found " + shown(node));
  return *value;
}

std::vector<std::string> YamlReader::texts(const std::string& key) {
  const YAML::Node node = find(key);
  std::vector<std::string> values;
  if (!node.IsDefined() || node.IsNull()) return values;
  if (node.IsScalar()) return {node.Scalar()};
  if (!node.IsSequence()) refuse(key, "expected a list, found " + shown(node));
  for (const auto& item : node) {
    if (!item.IsScalar()) refuse(key, "expected a list of texts");
    values.push_back(item.Scalar());
  }
  return values;
}

std::vector<double> YamlReader::numbers(const std::string& key) {
  std::vector<double> values;
  for (const std::string& item : texts(key)) {
    const auto value = converted<double>(YAML::Node(item));
    if (!value) refuse(key, "expected a list of numbers, found '" + item + "'");
    values.push_back(*value);
  }
  return values;
}

YamlReader YamlReader::member(const std::string& key) {
  const YAML::Node node = find(key);
  return YamlReader(node.IsDefined() ? node : YAML::Node(), where_ + "." + key);
}

std::vector<YamlReader> YamlReader::members(const std::string& key) {
  const YAML::Node node = find(key);
  std::vector<YamlReader> readers;
  if (!node.IsDefined() || node.IsNull()) return readers;
  if (!node.IsSequence()) refuse(key, "expected a list, found " + shown(node));
  for (size_t i = 0; i < node.size(); ++i) {
    readers.emplace_back(node[i], fmt::format("{}.{}[{}]", where_, key, i));
  }
  return readers;
}

std::vector<std::string> YamlReader::keys() const {
  std::vector<std::string> names;
  if (!node_.IsMap()) return names;
  for (const auto& entry : node_)
    names.push_back(entry.first.Scalar());
  return names;
}

void YamlReader::finish() const {
  for (const std::string& key : keys()) {
    if (known_.contains(key)) continue;
    std::string list;
    for (const std::string& name : known_)
      list += (list.empty() ? "" : ", ") + name;
    refuse(key, "unknown key; known here: " + list);
  }
}

YAML::Node parse_yaml(const std::string& text, const std::string& where) {
  try {
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::invalid_config, "{}:{}: expected YAML, found: {}", where, error.mark.line + 1,
         error.msg);
  }
}

}  // namespace vila::data
