// SPDX-License-Identifier: Apache-2.0
#include "data/sample.h"

#include <string_view>

namespace vila::data {
namespace {

int64_t count_in(std::string_view text) {
  constexpr std::string_view kPlaceholder = "<image>";
  int64_t count = 0;
  for (size_t at = text.find(kPlaceholder); at != std::string_view::npos;
       at = text.find(kPlaceholder, at + kPlaceholder.size())) {
    ++count;
  }
  return count;
}

}  // namespace

int64_t count_placeholders(const Sample& sample) {
  if (sample.kind == Kind::pairs) return 1;
  int64_t count = count_in(sample.text);
  for (const text::Message& turn : sample.turns)
    count += count_in(turn.content);
  return count;
}

}  // namespace vila::data
