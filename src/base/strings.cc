// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include <algorithm>
#include <iterator>

namespace vila {

std::vector<std::string_view> split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (size_t at; (at = text.find(separator, begin)) != std::string_view::npos;) {
    parts.push_back(text.substr(begin, at - begin));
    begin = at + separator.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  size_t begin = 0;
  for (size_t at; (at = text.find(from, begin)) != std::string_view::npos;) {
    result += text.substr(begin, at - begin);
    result += to;
    begin = at + from.size();
  }
  result += text.substr(begin);
  return result;
}

std::string_view strip(std::string_view text) {
  constexpr std::string_view kWhite[] = {" ",      "\t",     "\n",     "\v",     "\f",     "\r",
                                         "\x1c",   "\x1d",   "\x1e",   "\x1f",   "\u0085", "\u00a0",
                                         "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004",
                                         "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
                                         "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};
  const auto begins = [&](std::string_view white) { return text.starts_with(white); };
  const auto ends = [&](std::string_view white) { return text.ends_with(white); };
  for (auto found = std::ranges::find_if(kWhite, begins); found != std::end(kWhite);
       found = std::ranges::find_if(kWhite, begins))
    text.remove_prefix(found->size());
  for (auto found = std::ranges::find_if(kWhite, ends); found != std::end(kWhite);
       found = std::ranges::find_if(kWhite, ends))
    text.remove_suffix(found->size());
  return text;
}

}  // namespace vila
