// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "engine/engine.h"
#include "spec/config.h"

namespace vila::cli {

/// What a request costs the machine at least, by the shapes of a model: what measured times are
/// compared with. A product and its sum are two operations; attention is left out.
struct BenchWork {
  /// Of the decoder's Linears, for each token of a prompt.
  double operations_per_token = 0;
  /// Of tower and projector, for a picture of the given size.
  double operations_per_picture = 0;
  /// All weights that one token of an answer reads (layers, norms, output matrix; of the token
  /// table one row).
  double weight_bytes_per_token = 0;
  /// Keys and values of one token of context.
  double kv_bytes_per_position = 0;

  /// All bytes read for one token with so much context before it.
  double bytes_per_token(double context) const {
    return weight_bytes_per_token + kv_bytes_per_position * context;
  }
};

/// The work of `engine` for one picture and one token, counted from shapes and storage types alone:
/// nothing runs.
BenchWork bench_work(const engine::Engine& engine, const media::Image& picture);

}  // namespace vila::cli
