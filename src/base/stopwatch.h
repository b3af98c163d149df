// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace vila {

/// Time since construction or restart(). A value.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  double milliseconds() const { return seconds() * 1e3; }

  void restart() { start_ = Clock::now(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace vila
