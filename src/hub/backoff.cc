// SPDX-License-Identifier: Apache-2.0
#include "hub/backoff.h"

#include <algorithm>
#include <thread>

#include "base/error.h"

namespace vila::hub {

using std::chrono::milliseconds;

milliseconds Backoff::pause(std::optional<std::chrono::seconds> asked) const {
  if (asked) return std::min(milliseconds(*asked), settings_.longest_wait);
  milliseconds pause = settings_.first_wait;
  for (int i = 1; i < failures_ && pause < settings_.longest_wait; ++i)
    pause *= 2;
  return std::min(pause, settings_.longest_wait);
}

bool Backoff::wait(std::optional<std::chrono::seconds> asked) {
  constexpr milliseconds kSlice{50};  // between two looks at is_cancelled
  if (++failures_ >= settings_.attempts) return false;
  for (milliseconds left = pause(asked); left.count() > 0; left -= kSlice) {
    if (hooks_.cancelled()) fail(ErrorCode::cancelled, "cancelled");
    std::this_thread::sleep_for(std::min(left, kSlice));
  }
  return true;
}

}  // namespace vila::hub
