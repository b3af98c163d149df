// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

#include "base/arena.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "tensor/tensor.h"

namespace vila::ops {

/// Sees every named tensor of a forward pass: parity checks, calibration, `vila verify`.
using Observer = std::function<void(std::string_view name, const Tensor& tensor)>;

/// What linear() does to activations before it multiplies them by a PackedMatrix.
enum class PackedActivations {
  int8,     // quantises them by token and group: W4A8, W8A8
  float32,  // keeps them and dequantises the weights: W4A16, the arithmetic of the reference,
            // slower
};

/// What every op needs, passed by reference through the model. One thread.
struct Context {
  Arena& arena;  // results of ops live here until the end of the step
  ThreadPool& pool;
  const kernels::CpuKernels& kernels;
  Observer observer;  // empty in production
  PackedActivations packed_activations = PackedActivations::int8;

  void observe(std::string_view name, const Tensor& tensor) const {
    if (observer) observer(name, tensor);
  }
};

}  // namespace vila::ops
