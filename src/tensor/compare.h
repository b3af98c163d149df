// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tensor/tensor.h"

namespace vila {

/// How far two tensors of one shape are apart.
struct Difference {
  double max_abs = 0;       // largest |a - b|; infinity when a NaN stands on one side only
  double max_expected = 0;  // largest |b|
  double cosine = 1;        // of the two as vectors; 1 when both are zero
  int64_t worst = -1;       // flat index of the largest difference, -1 when equal

  /// max_abs as a share of the largest expected magnitude (max_abs itself when that is 0).
  double relative() const noexcept;
};

/// Compares elements as doubles; any float or integer types. Throws Bug when shapes differ.
Difference compare(const Tensor& actual, const Tensor& expected);

}  // namespace vila
