// SPDX-License-Identifier: Apache-2.0
#include "data/json_row.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace vila::data {
namespace {

/// What stands there, short enough for a message.
std::string shown(const Json& value) {
  constexpr size_t kLimit = 60;
  std::string text = value.dump(-1, ' ', true);
  if (text.size() > kLimit) text = text.substr(0, kLimit) + "…";
  return text;
}

const Json& require_member(const Json& row, const char* key, const char* type,
                           const RowContext& context) {
  const auto found = row.find(key);
  if (found == row.end() || found->is_null()) {
    fail(ErrorCode::invalid_data, "{}: expected a member \"{}\" ({}), found none", context.where,
         key, type);
  }
  return *found;
}

}  // namespace

void require_object(const Json& row, const RowContext& context) {
  if (!row.is_object()) {
    fail(ErrorCode::invalid_data, "{}: expected a JSON object, found {}", context.where,
         shown(row));
  }
}

std::string require_text(const Json& row, const char* key, const RowContext& context) {
  const Json& value = require_member(row, key, "a string", context);
  if (!value.is_string()) {
    fail(ErrorCode::invalid_data, "{}: \"{}\": expected a string, found {}", context.where, key,
         shown(value));
  }
  return value.get<std::string>();
}

const Json& require_array(const Json& row, const char* key, const RowContext& context) {
  const Json& value = require_member(row, key, "an array", context);
  if (!value.is_array()) {
    fail(ErrorCode::invalid_data, "{}: \"{}\": expected an array, found {}", context.where, key,
         shown(value));
  }
  return value;
}

std::string optional_text(const Json& row, const char* key, const RowContext& context) {
  const auto found = row.find(key);
  if (found == row.end() || found->is_null()) return "";
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number()) return found->dump();
  fail(ErrorCode::invalid_data, "{}: \"{}\": expected a string or a number, found {}",
       context.where, key, shown(*found));
}

ImageSource require_image(const Json& name, const char* key, const RowContext& context) {
  if (!name.is_string() || name.get_ref<const std::string&>().empty()) {
    fail(ErrorCode::invalid_data, "{}: \"{}\": expected the name of a picture, found {}",
         context.where, key, shown(name));
  }
  return ImageSource(context.image_root / name.get_ref<const std::string&>());
}

}  // namespace vila::data
