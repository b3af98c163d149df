// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/json.h"
#include "data/row_parser.h"

namespace vila::data {

/// Members of a row; all throw Error{invalid_data} naming the row, the member and what was found.

/// The row itself, which must be an object.
void require_object(const Json& row, const RowContext& context);

/// Member `key`, which must be a string.
std::string require_text(const Json& row, const char* key, const RowContext& context);

/// Member `key`, which must be an array.
const Json& require_array(const Json& row, const char* key, const RowContext& context);

/// Member `key` as text, "" where it is absent or null; numbers (ids) are spelled out.
std::string optional_text(const Json& row, const char* key, const RowContext& context);

/// The picture of that name. A name must be a string that is not empty.
ImageSource require_image(const Json& name, const char* key, const RowContext& context);

}  // namespace vila::data
