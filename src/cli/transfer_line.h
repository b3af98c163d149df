// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "hub/settings.h"

namespace vila::cli {

/// Tells on stderr how far a download is. On a terminal: one line, rewritten a few times a second,
/// with speed and time left; elsewhere: one line for each file.
class TransferLine {
 public:
  using Clock = std::chrono::steady_clock;

  explicit TransferLine(bool is_terminal) : is_terminal_(is_terminal) {}

  /// Prints where due. @param now  when this state was reached
  void show(const hub::Hooks::Progress& progress, Clock::time_point now);

  /// Leaves the line, so that other text can follow.
  void finish();

 private:
  void announce(const hub::Hooks::Progress& progress);

  bool is_terminal_;
  bool has_line_ = false;
  std::string file_;
  uint64_t first_bytes_ = 0;  // that were here at the start
  Clock::time_point start_{};
  Clock::time_point last_{};
};

/// "llm/model.safetensors  1.2 GB of 4.9 GB, 25 %, 38.0 MB/s, 1 min 40 s left".
/// @param arrived  bytes that came in `seconds`
std::string transfer_text(const hub::Hooks::Progress& progress, uint64_t arrived, double seconds);

/// "40 s", "1 min 40 s", "2 h 5 min".
std::string duration_text(double seconds);

}  // namespace vila::cli
