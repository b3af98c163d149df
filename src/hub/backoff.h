// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>

#include "hub/settings.h"

namespace vila::hub {

/// Pauses between attempts that double each time, as long as attempts are left.
class Backoff {
 public:
  Backoff(const Settings& settings, const Hooks& hooks) : settings_(settings), hooks_(hooks) {}

  /// Sleeps before the next attempt. @param asked  what the server asks to wait (Retry-After), up
  /// to Settings::longest_wait. @return false, at once, when no attempt is left.
  /// @throws Error{cancelled} soon after Hooks::is_cancelled.
  bool wait(std::optional<std::chrono::seconds> asked);

  /// The last attempt brought something: count from the beginning.
  void reset() { failures_ = 0; }

  int failures() const { return failures_; }

 private:
  std::chrono::milliseconds pause(std::optional<std::chrono::seconds> asked) const;

  const Settings& settings_;
  const Hooks& hooks_;
  int failures_ = 0;
};

}  // namespace vila::hub
