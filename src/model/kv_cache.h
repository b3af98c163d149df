// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ops/ops.h"
#include "spec/config.h"
#include "tensor/tensor.h"

namespace vila::model {

/// Keys and values of one sequence, all layers: reserved up to `capacity` tokens at the start, so
/// that decoding allocates nothing (pages of the system come when touched). In f32, f16, or i8 with
/// an f32 scale for each token and head. The vectors of a head lie one after the other, so that
/// attention reads one stream. Move-only; one thread.
class KvCache {
 public:
  /// @param dtype  f32, f16 or i8; any other is a Bug. @throws Error{insufficient_memory};
  ///         Error{invalid_argument} i8 for heads whose size is no multiple of 4.
  KvCache(const spec::DecoderConfig& config, int64_t capacity, DType dtype = DType::f32);

  int64_t length() const noexcept { return length_; }

  int64_t capacity() const noexcept { return capacity_; }

  DType dtype() const noexcept { return storage_.dtype(); }

  /// Forgets all tokens from `length` on. @pre length <= length()
  void truncate(int64_t length);

  /// Where a layer's keys and values lie.
  ops::KvView view(int64_t layer) const;
  /// Counts `rows` more tokens as present (after every layer has written them).
  void advance(int64_t rows);

  /// Takes the first `rows` tokens of `other`, which has the same model and dtype, in place of all
  /// it holds. @pre rows <= other.length() and rows <= capacity()
  void copy_prefix(const KvCache& other, int64_t rows);

  /// Bytes for `capacity` tokens, scales included.
  static int64_t bytes(const spec::DecoderConfig& config, int64_t capacity,
                       DType dtype = DType::f32);

 private:
  Tensor storage_;  // [layers, 2, G, capacity, E]
  Tensor scales_;   // [layers, 2, G, capacity] f32; undefined unless i8
  int64_t layers_;
  int64_t heads_;  // G
  int64_t head_dim_;
  int64_t length_ = 0;
  int64_t capacity_ = 0;
};

}  // namespace vila::model
