// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "vila/error.h"

namespace vila {

using Json = nlohmann::json;

/// What parse_json() refuses beyond bad syntax.
struct JsonLimits {
  size_t max_bytes = size_t{256} << 20;
  int max_depth = 64;
};

/// Strict JSON: UTF-8, no duplicate keys, no trailing text, bounded size and depth (checked before
/// the tree is built, so hostile nesting costs neither memory nor stack).
/// @param source  named in the message, e.g. a path.
/// @throws Error{invalid_data} with source:line:column and what was expected.
Json parse_json(std::string_view text, const std::string& source, const JsonLimits& limits = {});

/// parse_json() of a whole file. @param malformed  code of the Error when the content is not JSON
/// of these limits, e.g. invalid_model. @throws Error{not_found} naming the path.
Json read_json_file(const std::filesystem::path& path, ErrorCode malformed,
                    const JsonLimits& limits = {});

/// Member `key` of an object as T (bool, int64_t, double, std::string), or `fallback` when it is
/// absent or null. @throws Error{invalid_config} when it has another type, naming `source` and key.
template <typename T>
T json_get(const Json& object, const char* key, const T& fallback, const std::string& source);

/// The same for a member that must be there. @throws Error{invalid_config}
template <typename T>
T json_require(const Json& object, const char* key, const std::string& source);

extern template bool json_get(const Json&, const char*, const bool&, const std::string&);
extern template int64_t json_get(const Json&, const char*, const int64_t&, const std::string&);
extern template double json_get(const Json&, const char*, const double&, const std::string&);
extern template std::string json_get(const Json&, const char*, const std::string&,
                                     const std::string&);
extern template bool json_require(const Json&, const char*, const std::string&);
extern template int64_t json_require(const Json&, const char*, const std::string&);
extern template double json_require(const Json&, const char*, const std::string&);
extern template std::string json_require(const Json&, const char*, const std::string&);

}  // namespace vila
