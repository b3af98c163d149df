// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vila::engine {

/// Cuts a stream of text before the first stop string, wherever the pieces are cut: text that might
/// be the beginning of a stop string is held back until it is known. The string that is complete
/// first wins. A value; one thread.
class StopMatcher {
 public:
  /// @pre no stop string is empty
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// Text that is certain to come before any stop string after one more piece.
  std::string push(std::string_view piece);

  /// What was still held back: the text ends without a stop string.
  std::string finish();

  bool is_stopped() const noexcept { return is_stopped_; }

 private:
  size_t held_back() const;

  std::vector<std::string> stops_;
  std::string text_;  // not yet given out
  bool is_stopped_ = false;
};

}  // namespace vila::engine
