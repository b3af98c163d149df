// SPDX-License-Identifier: Apache-2.0
#include "data/html.h"

#include <cstdint>

#include "base/utf8.h"

namespace vila::data {
namespace {

std::string_view escape_of(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

std::string_view mime_of(std::string_view bytes) {
  using std::string_view_literals::operator""sv;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n"sv)) return "image/png";
  if (bytes.starts_with("\xFF\xD8\xFF"sv)) return "image/jpeg";
  if (bytes.starts_with("RIFF"sv) && bytes.substr(0, 12).ends_with("WEBP"sv)) return "image/webp";
  if (bytes.starts_with("GIF8"sv)) return "image/gif";
  if (bytes.starts_with("BM"sv)) return "image/bmp";
  return {};
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string result;
  for (const char c : replace_invalid_utf8(text)) {
    const auto byte = static_cast<unsigned char>(c);
    const std::string_view escape = escape_of(c);
    if (!escape.empty()) {
      result += escape;
    } else if (byte < 0x20 && c != '\n' && c != '\t') {
      append_utf8(result, static_cast<char32_t>(0x2400 + byte));
    } else {
      result += c;
    }
  }
  return result;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view group = bytes.substr(at, 3);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0u);
    }
    for (size_t digit = 0; digit < 4; ++digit) {
      text += digit <= group.size() ? kDigits[bits >> (18 - 6 * digit) & 63] : '=';
    }
  }
  return text;
}

std::string image_data_uri(std::string_view bytes) {
  const std::string_view mime = mime_of(bytes);
  if (mime.empty()) return "";
  return "data:" + std::string(mime) + ";base64," + base64(bytes);
}

}  // namespace vila::data
