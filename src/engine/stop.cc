// SPDX-License-Identifier: Apache-2.0
#include "engine/stop.h"

#include <algorithm>
#include <utility>

namespace vila::engine {

std::string StopMatcher::push(std::string_view piece) {
  if (is_stopped_) return {};
  text_ += piece;
  size_t first_end = std::string::npos;
  size_t begin = 0;
  for (const std::string& stop : stops_) {
    const size_t at = text_.find(stop);
    if (at == std::string::npos) continue;
    const size_t end = at + stop.size();
    if (end < first_end || (end == first_end && at < begin)) {
      first_end = end;
      begin = at;
    }
  }
  is_stopped_ = first_end != std::string::npos;
  const size_t certain = is_stopped_ ? begin : text_.size() - held_back();
  std::string result = text_.substr(0, certain);
  text_.erase(0, is_stopped_ ? text_.size() : certain);
  return result;
}

// Length of the longest end of the text that a stop string begins with.
size_t StopMatcher::held_back() const {
  const std::string_view text = text_;
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    const std::string_view whole = stop;
    for (size_t size = std::min(whole.size() - 1, text.size()); size > longest; --size) {
      if (text.ends_with(whole.substr(0, size))) longest = size;
    }
  }
  return longest;
}

std::string StopMatcher::finish() {
  return std::exchange(text_, {});
}

}  // namespace vila::engine
