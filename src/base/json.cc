// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <set>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace vila {
namespace {

struct Position {
  size_t line = 1;
  size_t column = 1;
};

Position position_at(std::string_view text, size_t offset) {
  Position position;
  for (size_t i = 0; i < offset && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++position.line;
      position.column = 1;
    } else {
      ++position.column;
    }
  }
  return position;
}

/// Builds the tree while refusing duplicate keys. Depth was checked before.
class DuplicateKeys {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key) {
      const std::string key = parsed.get<std::string>();
      if (!keys_.back().insert(key).second && duplicate_.empty()) duplicate_ = key;
    }
    static_cast<void>(depth);
    return true;
  }

  const std::string& duplicate() const { return duplicate_; }

 private:
  std::vector<std::set<std::string>> keys_;
  std::string duplicate_;
};

/// Largest nesting of brackets outside strings.
size_t offset_too_deep(std::string_view text, int max_depth) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth) return i;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return std::string_view::npos;
}

template <typename T>
bool has_type(const Json& value) {
  if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
  if constexpr (std::is_same_v<T, int64_t>) {
    const bool is_too_large = value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX;
    return value.is_number_integer() && !is_too_large;
  }
  if constexpr (std::is_same_v<T, double>) return value.is_number();
  if constexpr (std::is_same_v<T, std::string>) return value.is_string();
}

template <typename T>
const char* type_word() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, int64_t>) return "an integer";
  if constexpr (std::is_same_v<T, double>) return "a number";
  if constexpr (std::is_same_v<T, std::string>) return "a string";
}

}  // namespace

Json parse_json(std::string_view text, const std::string& source, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    fail(ErrorCode::invalid_data, "{}: expected at most {} bytes of JSON, found {}", source,
         limits.max_bytes, text.size());
  }
  const size_t deep = offset_too_deep(text, limits.max_depth);
  if (deep != std::string_view::npos) {
    const Position at = position_at(text, deep);
    fail(ErrorCode::invalid_data, "{}:{}:{}: JSON nested deeper than {} levels", source, at.line,
         at.column, limits.max_depth);
  }
  DuplicateKeys duplicates;
  try {
    Json parsed = Json::parse(text, std::ref(duplicates));
    if (!duplicates.duplicate().empty()) {
      fail(ErrorCode::invalid_data, "{}: key \"{}\" occurs twice in one JSON object", source,
           duplicates.duplicate());
    }
    return parsed;
  } catch (const Json::parse_error& error) {
    const Position at = position_at(text, error.byte > 0 ? error.byte - 1 : 0);
    fail(ErrorCode::invalid_data, "{}:{}:{}: expected valid JSON: {}", source, at.line, at.column,
         error.what());
  } catch (const Json::out_of_range& error) {
    fail(ErrorCode::invalid_data, "{}: a number in the JSON is too large: {}", source,
         error.what());
  }
}

Json read_json_file(const std::filesystem::path& path, ErrorCode malformed,
                    const JsonLimits& limits) {
  try {
    return parse_json(read_file(path, limits.max_bytes), path.string(), limits);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_data) throw;
    throw Error(malformed, error.message());
  }
}

template <typename T>
T json_get(const Json& object, const char* key, const T& fallback, const std::string& source) {
  if (!object.is_object()) {
    fail(ErrorCode::invalid_config, "{}: expected a JSON object, found {}", source,
         object.type_name());
  }
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  if (!has_type<T>(*found)) {
    fail(ErrorCode::invalid_config, "{}: \"{}\": expected {}, found {}", source, key,
         type_word<T>(), found->dump().substr(0, 80));
  }
  return found->get<T>();
}

template <typename T>
T json_require(const Json& object, const char* key, const std::string& source) {
  const bool there = object.is_object() && object.contains(key) && !object.at(key).is_null();
  if (object.is_object() && !there) {
    fail(ErrorCode::invalid_config, "{}: expected a member \"{}\" ({}), found none", source, key,
         type_word<T>());
  }
  return json_get<T>(object, key, T{}, source);
}

template bool json_get(const Json&, const char*, const bool&, const std::string&);
template int64_t json_get(const Json&, const char*, const int64_t&, const std::string&);
template double json_get(const Json&, const char*, const double&, const std::string&);
template std::string json_get(const Json&, const char*, const std::string&, const std::string&);
template bool json_require(const Json&, const char*, const std::string&);
template int64_t json_require(const Json&, const char*, const std::string&);
template double json_require(const Json&, const char*, const std::string&);
template std::string json_require(const Json&, const char*, const std::string&);

}  // namespace vila
