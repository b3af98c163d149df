// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/arena.h"
#include "base/thread_pool.h"
#include "model/vila.h"
#include "ops/context.h"
#include "tensor/dtype.h"

namespace vila::engine {

/// With what to compute.
struct LoadOptions {
  int threads = 0;    // 0: all cores this process may use
  std::string isa{};  // empty: best here
  ops::PackedActivations activations = ops::PackedActivations::int8;  // of packed weights
  model::VisionWeights vision = model::VisionWeights::as_stored;
  DType kv = DType::f16;  // of keys and values: f32, f16, i8
  /// Keys and values of the last answer are kept for the next prompt that begins with the same
  /// rows, in a cache of so many tokens (or more where an answer needs them); 0: they are not.
  int64_t kept_tokens = 0;
};

/// Threads, memory for activations and kernels: what an ops::Context refers to. An owner (neither
/// copied nor moved); one thread.
class Workspace {
 public:
  /// @throws Error{invalid_argument} an ISA that this program or CPU has not, or threads < 0.
  explicit Workspace(const LoadOptions& options);
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  ops::Context& context() noexcept { return context_; }

 private:
  Arena arena_;
  ThreadPool pool_;
  ops::Context context_;
};

}  // namespace vila::engine
