// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "engine/engine.h"
#include "media/image.h"

namespace vila::cli {

/// What `vila bench` asks of a model.
struct BenchRequest {
  int64_t prompt = 256;  // tokens
  int64_t gen = 64;      // tokens
  bool has_image = false;
};

/// Where the time of one request went.
struct Speed {
  int64_t prompt_tokens = 0;  // rows that went through the decoder, not those kept from before
  double media_ms = 0;
  double vision_ms = 0;
  double prefill_ms = 0;
  double decode_tok_s = 0;

  double time_to_first_token_ms() const { return media_ms + vision_ms + prefill_ms; }
};

/// Speeds of one kind of request, medians over the runs.
struct RequestSpeed {
  Speed first;
  Speed second;  // another question on the same picture; measured with a picture only
};

/// What the machine can do at most.
struct Limits {
  double f32 = 0;   // operations per second
  double int8 = 0;  // the same
  double read = 0;  // bytes per second

  static Limits measure(ops::Context& ctx);

  /// The larger of each.
  void raise_to(const Limits& other);
};

/// A picture of 640 x 480 with something in every place; new each time, or the engine would know
/// it.
std::shared_ptr<const media::Image> bench_picture();

/// Answers one request, and with a picture a second, short question behind the answer. Answers are
/// greedy, of request.gen tokens each.
RequestSpeed run_request(engine::Engine& engine, const BenchRequest& request);

/// Tokens per second of `count` answers that are decoded together, all of them counted.
double run_batch(engine::Engine& engine, const BenchRequest& request, int64_t count);

/// Medians, value by value. @pre not empty
RequestSpeed median_speed(std::span<const RequestSpeed> runs);

}  // namespace vila::cli
