// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/stopwatch.h"

namespace vila::eval {

/// JSON lines of answers that survive the process: each row is in the file, whole, before append()
/// returns, so that a killed process loses none; the disk has it at most a tenth of a second later,
/// so that a power cut loses no more. A row that was cut is taken off when the file is opened
/// again. An owner (neither copied nor moved); one thread, one process.
class AnswerLog {
 public:
  /// Opens or creates the file and counts the rows it has. @throws Error{failed | invalid_data}
  explicit AnswerLog(std::filesystem::path path);
  ~AnswerLog();
  AnswerLog(const AnswerLog&) = delete;
  AnswerLog& operator=(const AnswerLog&) = delete;

  /// Whether an earlier run has answered this question: true once for each such row.
  bool take(std::string_view question_id, std::string_view prompt);

  /// Rows of earlier runs.
  int64_t earlier_rows() const { return earlier_rows_; }

  /// @throws Error{insufficient_disk | failed}
  void append(const Json& row);

 private:
  void read_earlier();
  void flush();

  std::filesystem::path path_;
  std::map<std::string, int64_t, std::less<>> answered_;  // by id and prompt
  int64_t earlier_rows_ = 0;
  int descriptor_ = -1;
  Stopwatch since_flush_;
  bool is_flushed_ = true;
};

}  // namespace vila::eval
