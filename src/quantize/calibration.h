// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.h"
#include "text/tokenizer.h"

namespace vila::quantize {

/// What the model is shown: the rows that enter its first decoder layer.
struct Calibration {
  Tensor rows;                   // f32 [T, D], all sequences one after the other
  std::vector<int64_t> lengths;  // rows of each sequence
  std::string description;       // for the quality card: "32 windows of 512 tokens of wiki.txt"
};

/// Appends the sequences [t, D] one after the other.
Calibration join_sequences(std::span<const Tensor> sequences);

/// How many windows of a text to take.
struct WindowChoice {
  int64_t tokens = 512;  // of a window
  int64_t samples = 32;  // at most so many windows
  uint64_t seed = 0;     // which ones, when there are more
};

/// Beginnings of the windows to take from `count` tokens, ascending: all there are, or `samples` of
/// them at random. A tail shorter than a window is left out, unless it is all there is.
std::vector<int64_t> choose_windows(int64_t count, const WindowChoice& choice);

/// Windows of a text as rows of the token table [V, D] of any weight dtype.
/// @throws Error{invalid_data} when there is no token, or an id that the table lacks.
Calibration calibrate_text(const Tensor& table, std::span<const text::TokenId> ids,
                           const WindowChoice& choice);

}  // namespace vila::quantize
