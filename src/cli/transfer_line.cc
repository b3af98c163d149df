// SPDX-License-Identifier: Apache-2.0
#include "cli/transfer_line.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "cli/hub_options.h"
#include "cli/output.h"

namespace vila::cli {
namespace {

constexpr std::chrono::milliseconds kBetweenLines{200};
constexpr double kLongestSeconds = 1e7;  // beyond it, a time left says nothing
constexpr const char* kClearLine = "\r\x1b[K";

void write_error(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string transfer_text(const hub::Hooks::Progress& progress, uint64_t arrived, double seconds) {
  const double share = progress.total == 0 ? 1.0
                                           : static_cast<double>(progress.done) /
                                                 static_cast<double>(progress.total);
  std::string text = fmt::format("{}  {} of {}, {:.0f} %", progress.file, size_text(progress.done),
                                 size_text(progress.total), std::min(share, 1.0) * 100);
  if (arrived == 0 || seconds <= 0) return text;
  const double speed = static_cast<double>(arrived) / seconds;
  text += fmt::format(", {}/s", size_text(static_cast<uint64_t>(speed)));
  const uint64_t missing = progress.total - std::min(progress.done, progress.total);
  const double left = static_cast<double>(missing) / speed;
  if (left < kLongestSeconds) text += fmt::format(", {} left", duration_text(left));
  return text;
}

void TransferLine::announce(const hub::Hooks::Progress& progress) {
  if (file_ == progress.file) return;
  file_ = progress.file;
  if (!is_terminal_) {
    print_note(fmt::format("{}  {}", progress.file, size_text(progress.file_size)));
  }
}

void TransferLine::show(const hub::Hooks::Progress& progress, Clock::time_point now) {
  if (start_ == Clock::time_point{}) {
    start_ = now;
    first_bytes_ = progress.done;
  }
  announce(progress);
  const bool is_due = !has_line_ || now - last_ >= kBetweenLines || progress.done == progress.total;
  if (!is_terminal_ || !is_due) return;
  last_ = now;
  has_line_ = true;
  const uint64_t arrived = progress.done - std::min(first_bytes_, progress.done);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  write_error(kClearLine + transfer_text(progress, arrived, seconds));
}

void TransferLine::finish() {
  if (has_line_) write_error("\n");
  has_line_ = false;
}

}  // namespace vila::cli
