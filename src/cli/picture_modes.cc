// SPDX-License-Identifier: Apache-2.0
#include "cli/picture_modes.h"

#include "base/error.h"

namespace vila::cli {
namespace {

using media::ProcessorConfig;

// Mean and standard deviation of the towers' training pictures, from their
// preprocessor_config.json.
struct Statistics {
  std::array<float, 3> mean;
  std::array<float, 3> std;
};

constexpr Statistics kClip = {{0.48145466F, 0.4578275F, 0.40821073F},
                              {0.26862954F, 0.26130258F, 0.27577711F}};
constexpr Statistics kSiglip = {{0.5F, 0.5F, 0.5F}, {0.5F, 0.5F, 0.5F}};
constexpr Statistics kIntern = {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};

struct Row {
  const char* name;
  int64_t image_size;
  const Statistics& statistics;
  ProcessorConfig::Mode mode;
  int64_t max_tiles = 12;
};

constexpr Row kModes[] = {
    {"pad-clip336", 336, kClip, ProcessorConfig::Mode::pad},
    {"crop-clip336", 336, kClip, ProcessorConfig::Mode::crop},
    {"resize-clip336", 336, kClip, ProcessorConfig::Mode::resize},
    {"pad-siglip384", 384, kSiglip, ProcessorConfig::Mode::pad},
    {"resize-siglip384", 384, kSiglip, ProcessorConfig::Mode::resize},
    {"resize-siglip448", 448, kSiglip, ProcessorConfig::Mode::resize},
    {"resize-siglip768", 768, kSiglip, ProcessorConfig::Mode::resize},
    {"resize-intern448", 448, kIntern, ProcessorConfig::Mode::resize},
    {"dynamic-siglip448", 448, kSiglip, ProcessorConfig::Mode::dynamic},
    {"dynamic6-siglip448", 448, kSiglip, ProcessorConfig::Mode::dynamic, 6},
    {"dynamic_s2-siglip448", 448, kSiglip, ProcessorConfig::Mode::dynamic_s2},
};

// Of NVILA's dynamic S2.
const std::vector<int64_t> kScales = {448, 896, 1344};

}  // namespace

ProcessorConfig picture_mode(const std::string& name) {
  for (const Row& row : kModes) {
    if (name == row.name) {
      ProcessorConfig config{.image_size = row.image_size,
                             .mean = row.statistics.mean,
                             .std = row.statistics.std,
                             .mode = row.mode,
                             .max_tiles = row.max_tiles};
      if (row.mode == ProcessorConfig::Mode::dynamic_s2) config.sides = kScales;
      return config;
    }
  }
  fail(ErrorCode::invalid_argument, "--mode: expected one of {}, found '{}'", picture_mode_names(),
       name);
}

std::string picture_mode_names() {
  std::string names;
  for (const Row& row : kModes)
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

}  // namespace vila::cli
