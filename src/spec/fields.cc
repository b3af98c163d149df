// SPDX-License-Identifier: Apache-2.0
#include "spec/fields.h"

#include <charconv>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace vila::spec {

const Json* Fields::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void Fields::expect(bool holds, const char* key, const char* expected) const {
  if (holds) return;
  const Json* found = find(key);
  fail(ErrorCode::invalid_config, "{}: \"{}\": expected {}, found {}", source_, key, expected,
       found == nullptr ? "nothing" : found->dump().substr(0, 80));
}

std::array<float, 3> Fields::channels(const char* key, const std::array<float, 3>& fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  expect(value->is_array() && value->size() == 3, key, "three numbers");
  std::array<float, 3> channels{};
  for (size_t i = 0; i < channels.size(); ++i) {
    expect((*value)[i].is_number(), key, "three numbers");
    channels[i] = (*value)[i].get<float>();
  }
  return channels;
}

std::vector<int64_t> Fields::numbers(const char* key) const {
  std::vector<int64_t> values;
  const std::string list = text(key, "");
  const char* at = list.data();
  const char* end = list.data() + list.size();
  while (at < end) {
    int64_t value = 0;
    const auto parsed = std::from_chars(at, end, value);
    const bool is_sound = parsed.ec == std::errc() && (parsed.ptr == end || *parsed.ptr == ',');
    expect(is_sound, key, "numbers with commas between");
    values.push_back(value);
    at = parsed.ptr == end ? end : parsed.ptr + 1;
  }
  return values;
}

int64_t Fields::token_id(const char* key, int64_t fallback) const {
  const Json* value = find(key);
  if (value == nullptr || !value->is_array()) return integer(key, fallback);
  expect(!value->empty() && value->front().is_number_integer(), key, "an id or a list of ids");
  return value->front().get<int64_t>();
}

Json read_object(const std::filesystem::path& path) {
  Json object = read_json_file(path, ErrorCode::invalid_config);
  if (!object.is_object()) {
    fail(ErrorCode::invalid_config, "{}: expected a JSON object, found {}", path.string(),
         object.type_name());
  }
  return object;
}

}  // namespace vila::spec
