// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "kernels/select.h"
#include "ops/context.h"

namespace vila::test {

/// Memory, threads and kernels with the context that refers to them. An owner; one thread.
struct Machine {
  /// @param isa  name of a kernel table; empty: the best here.
  explicit Machine(int threads = 2, std::string_view isa = {})
      : pool(threads),
        ctx{arena, pool, isa.empty() ? kernels::best_kernels() : kernels::kernels_named(isa), {}} {}

  Arena arena;
  ThreadPool pool;
  ops::Context ctx;
};

}  // namespace vila::test
