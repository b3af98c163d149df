// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace vila::spec {

/// Members of one JSON object of a configuration, with the file's name for messages. Refers to the
/// object. All functions throw Error{invalid_config}.
class Fields {
 public:
  Fields(const Json& object, std::string source) : object_(object), source_(std::move(source)) {}

  int64_t integer(const char* key, int64_t fallback) const {
    return json_get<int64_t>(object_, key, fallback, source_);
  }

  int64_t required_integer(const char* key) const {
    return json_require<int64_t>(object_, key, source_);
  }

  double number(const char* key, double fallback) const {
    return json_get<double>(object_, key, fallback, source_);
  }

  bool flag(const char* key, bool fallback) const {
    return json_get<bool>(object_, key, fallback, source_);
  }

  std::string text(const char* key, const std::string& fallback) const {
    return json_get<std::string>(object_, key, fallback, source_);
  }

  /// Three numbers, e.g. a mean for each channel.
  std::array<float, 3> channels(const char* key, const std::array<float, 3>& fallback) const;

  /// "448,896,1344" as numbers; empty where absent.
  std::vector<int64_t> numbers(const char* key) const;

  /// An id, or the first of a list of ids.
  int64_t token_id(const char* key, int64_t fallback) const;

  /// Null where absent or null.
  const Json* find(const char* key) const;

  /// Refuses a setting that changes the computation and that VILA never has.
  void expect(bool holds, const char* key, const char* expected) const;

  const std::string& source() const { return source_; }

 private:
  const Json& object_;
  std::string source_;
};

/// The object of a configuration file. @throws Error{not_found | invalid_config}
Json read_object(const std::filesystem::path& path);

}  // namespace vila::spec
