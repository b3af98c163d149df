// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace vila::data {

/// Text as HTML text or an attribute in double quotes: & < > " ' escaped, malformed UTF-8 as
/// U+FFFD, control characters (but "\n" and "\t") as their pictures, e.g. U+2400.
std::string escape_html(std::string_view text);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

/// An encoded picture as "data:image/png;base64,…"; "" for bytes that a browser does not show (PPM,
/// or no picture).
std::string image_data_uri(std::string_view bytes);

}  // namespace vila::data
