// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/gemm.inl.h"
#include "kernels/cpu/math.inl.h"
#include "kernels/kernels.h"

/// Vectors of a key/value cache: how they are made smaller, and read again.
namespace vila::kernels {
namespace {

using isa::F32;
using isa::kLanes;

/// The first `count` <= kLanes elements as f32, zeros behind; memory behind is not touched.
inline F32 widen_partial(const float* x, int64_t count) {
  return isa::load_partial(x, count);
}

template <typename T>
F32 widen_partial(const T* x, int64_t count) {
  if (count == kLanes) return isa::widen(x);
  T padded[kLanes] = {};
  __builtin_memcpy(padded, x, static_cast<uint64_t>(count) * sizeof(T));
  return isa::widen(padded);
}

void narrow(const float* x, int64_t size, f16* y) noexcept {
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    isa::narrow(y + i, isa::load(x + i));
  if (i == size) return;
  f16 rest[kLanes];
  isa::narrow(rest, isa::load_partial(x + i, size - i));
  __builtin_memcpy(y + i, rest, static_cast<uint64_t>(size - i) * sizeof(f16));
}

/// Vectors [first, first + count) of keys or values.
struct KvRange {
  int64_t first;
  int64_t count;
};

template <typename T>
void widen_vectors_of(const AttentionArgs& args, const T* vectors, KvRange range, float* y) {
  for (int64_t j = 0; j < range.count; ++j) {
    widen_of(vectors + (range.first + j) * args.kv_stride, args.head_dim, y + j * args.head_dim);
  }
}

/// y [count][E] = vectors of `args.k` or `args.v` as f32. Rows of a cache may lie kilobytes apart,
/// which would evict one another from L1, so that a copy pays even where they are f32.
inline void widen_vectors(const AttentionArgs& args, const void* vectors, const float* scales,
                          KvRange range, float* y) {
  switch (args.kv_dtype) {
    case DType::f16:
      return widen_vectors_of(args, static_cast<const f16*>(vectors), range, y);
    case DType::i8:
      widen_vectors_of(args, static_cast<const int8_t*>(vectors), range, y);
      for (int64_t j = 0; j < range.count; ++j) {
        const F32 scale = isa::set(scales[range.first + j]);
        float* vector = y + j * args.head_dim;
        map(vector, args.head_dim, vector, [scale](F32 a) { return isa::mul(a, scale); });
      }
      return;
    default:
      return widen_vectors_of(args, static_cast<const float*>(vectors), range, y);
  }
}

}  // namespace
}  // namespace vila::kernels
