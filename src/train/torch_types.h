// SPDX-License-Identifier: Apache-2.0
#pragma once

// Included by .cc files only: from ATen tensors to the plain pointers of fused.h.

#include <ATen/Parallel.h>

#include "train/fused.h"
#include "train/torch_compat.h"

namespace vila::train {

/// Rows per piece of work.
inline constexpr int64_t kRowGrain = 32;

/// The pointer of a contiguous tensor as our own element type.
template <typename T>
T* pointer(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

/// Calls body(T{}) for the element type of `tensor`: float or bf16.
template <typename Body>
void with_type(const at::Tensor& tensor, const Body& body) {
  if (tensor.scalar_type() == at::kBFloat16) {
    body(bf16{});
  } else {
    body(float{});
  }
}

/// body(fused::Rows) over all rows of the last axis, in parallel.
template <typename Body>
void for_rows(const at::Tensor& tensor, const Body& body) {
  const int64_t width = tensor.size(-1);
  at::parallel_for(0, tensor.numel() / width, kRowGrain, [&](int64_t begin, int64_t end) {
    body(fused::Rows{begin, end, width});
  });
}

}  // namespace vila::train
