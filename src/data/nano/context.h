// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "data/nano/build.h"
#include "data/nano/concepts.h"
#include "data/nano/svg_render.h"

namespace vila::data::nano {

/// What every generator of a build shares. One thread but for the pool's loops.
class BuildContext {
 public:
  BuildContext(const NanoOptions& options, const LogSink& log);

  const NanoOptions& options() const { return options_; }

  ThreadPool& pool() { return pool_; }

  /// Read once, when first asked for. @throws what load_concepts() does.
  const std::vector<Concept>& concepts();

  /// Whether a caption names a concept that is kept out of training.
  bool names_held_out(std::string_view text);

  /// A file below the build's folder.
  std::filesystem::path path(std::string_view relative) const { return options_.out / relative; }

  /// A file of a Debian package, by its path below the prefix.
  std::filesystem::path debian(std::string_view relative, const std::string& package) const;

  Random random(std::string_view key) const;
  void say(std::string_view message) const;
  void warn(std::string_view message) const;

  /// Writes one line a string, in whole or not at all; makes the folder.
  void write_lines(std::string_view relative, const std::vector<std::string>& lines) const;
  /// Writes a picture at its place; may be called from several threads for different paths.
  void write_picture(std::string_view relative, std::string_view png) const;

 private:
  NanoOptions options_;
  const LogSink& log_;
  ThreadPool pool_;
  std::optional<std::vector<Concept>> concepts_;
};

/// One image-text pair as pairs/*.jsonl holds it. A value.
struct Pair {
  std::string id;
  std::string image;  ///< below the build's folder
  std::string text;
  std::string label;     ///< what the picture shows: "red apple" ("concept" in the file)
  std::string vendor;    ///< drawing style or source
  std::string group;     ///< Unicode group or the source's folder
  std::string category;  ///< one of category_names(), or ""

  std::string to_line() const;
};

/// Reads a file that to_line() filled. @throws Error{not_found | invalid_data}
std::vector<Pair> read_pairs(const std::filesystem::path& path);

/// Lines of a text file without their ends; empty ones are left out.
std::vector<std::string> read_lines(const std::filesystem::path& path);

/// {"text": …} as text/*.jsonl holds it.
std::string text_line(std::string_view text);

}  // namespace vila::data::nano
