// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "spec/config.h"
#include "tensor/tensor.h"

namespace vila::model {

/// Keys and values of one sequence, f32, all layers: reserved up to `capacity` tokens at the start,
/// so that decoding allocates nothing (pages of the system come when touched). Move-only; one
/// thread.
class KvCache {
 public:
  /// @throws Error{insufficient_memory}
  KvCache(const spec::DecoderConfig& config, int64_t capacity);

  int64_t length() const noexcept { return length_; }

  int64_t capacity() const noexcept { return capacity_; }

  /// Forgets all tokens from `length` on. @pre length <= length()
  void truncate(int64_t length);

  /// [capacity, G, E] of a layer.
  float* keys(int64_t layer) noexcept;
  float* values(int64_t layer) noexcept;
  /// Counts `rows` more tokens as present (after every layer has written them).
  void advance(int64_t rows);

  /// Bytes for `capacity` tokens.
  static int64_t bytes(const spec::DecoderConfig& config, int64_t capacity);

 private:
  Tensor storage_;  // [layers, 2, capacity, G * E]
  int64_t layer_stride_ = 0;
  int64_t length_ = 0;
  int64_t capacity_ = 0;
};

}  // namespace vila::model
