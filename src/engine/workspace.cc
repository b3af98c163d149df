// SPDX-License-Identifier: Apache-2.0
#include "engine/workspace.h"

#include "base/core_count.h"
#include "base/error.h"
#include "kernels/select.h"

namespace vila::engine {
namespace {

int thread_count(int threads) {
  if (threads < 0) {
    fail(ErrorCode::invalid_argument, "threads: expected 0 (all cores) or more, found {}", threads);
  }
  return threads == 0 ? available_cores() : threads;
}

const kernels::CpuKernels& choose_kernels(const std::string& isa) {
  return isa.empty() ? kernels::best_kernels() : kernels::kernels_named(isa);
}

}  // namespace

Workspace::Workspace(const LoadOptions& options)
    : pool_(thread_count(options.threads)),
      context_{arena_, pool_, choose_kernels(options.isa), {}, options.activations} {}

}  // namespace vila::engine
