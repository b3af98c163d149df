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

/// What every op needs, passed by reference through the model. One thread.
struct Context {
  Arena& arena;  // results of ops live here until the end of the step
  ThreadPool& pool;
  const kernels::CpuKernels& kernels;
  Observer observer;  // empty in production

  void observe(std::string_view name, const Tensor& tensor) const {
    if (observer) observer(name, tensor);
  }
};

}  // namespace vila::ops
