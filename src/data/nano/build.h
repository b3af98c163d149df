// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/log.h"

namespace vila::data {

/// Where the raw material of the nano data lies and how it is drawn. A value.
struct NanoOptions {
  std::filesystem::path out;       ///< folder to fill
  std::filesystem::path emoji;     ///< Iconify and Unicode npm packages: *.tgz, or unpacked folders
  std::filesystem::path easy_vqa;  ///< unpacked folder `easy_vqa` of the PyPI package
  std::filesystem::path debian_root = "/usr";  ///< prefix of the Debian packages
  int64_t image_size = 96;                     ///< side of every picture, in pixels
  uint64_t seed = 1;
  int threads = 1;                ///< threads that draw, >= 1
  std::vector<std::string> only;  ///< names of sets (nano_set_names) to build; empty: all
};

/// Sets in the order in which they are built; later ones read earlier ones.
std::vector<std::string> nano_set_names();

/// Builds the data of the nano model: pairs/, text/, tokenizer/, documents/, instructions/, test/,
/// splits/ and LICENSES.md under `options.out` (docs/training.md). The same options give the same
/// bytes. A set whose stamp sets/NAME.json was written with these options is skipped, so a broken
/// build goes on where it stopped.
/// @throws Error{not_found} naming the package to install, Error{invalid_argument} for an unknown
///         set name, Error{insufficient_disk | failed} when writing.
void build_nano(const NanoOptions& options, const LogSink& log);

}  // namespace vila::data
