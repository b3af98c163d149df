// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

namespace vila::train {

/// Figures of one step, by name.
using Figures = std::map<std::string, double>;

/// One JSON object a line: {"step": …, "loss": …}. An owner; one thread.
class JsonlLog {
 public:
  /// Appends to `file`; lines of steps after `last_step` are dropped first, so that a resumed run
  /// leaves no doubles. @throws Error{failed}
  JsonlLog(const std::filesystem::path& file, int64_t last_step);
  /// @throws Error{insufficient_disk}
  void write(int64_t step, const Figures& figures);

 private:
  std::filesystem::path file_;
  std::ofstream out_;
};

/// Scalars as TensorBoard reads them: an event file of TFRecords. An owner; one thread.
class TensorboardLog {
 public:
  /// A new file in `folder`: TensorBoard joins the files of a run and lets later steps win.
  explicit TensorboardLog(const std::filesystem::path& folder, int64_t first_step, double time);
  void write(int64_t step, double time, const Figures& figures);

 private:
  void write_record(const std::string& event);

  std::filesystem::path file_;
  std::ofstream out_;
};

/// CRC-32C (Castagnoli), as TFRecord uses it.
uint32_t crc32c(std::string_view bytes);

/// A record of a TFRecord file: length, masked checksums, content.
std::string tf_record(std::string_view content);

/// The Event message of TensorFlow's event.proto with scalar summaries.
std::string scalar_event(int64_t step, double time, const Figures& figures);

}  // namespace vila::train
