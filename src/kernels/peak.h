// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/thread_pool.h"
#include "kernels/kernels.h"

/// What this machine can do at most with all threads of a pool. Shared machines change their speed
/// within minutes: compare only figures taken side by side.
namespace vila::kernels {

/// Floating point operations per second of f32 multiply-adds in registers; takes `seconds`.
double measure_fma_peak(const CpuKernels& kernels, ThreadPool& pool, double seconds = 0.1);

/// Operations per second (a product and its sum are two) of exact dot products of 4-bit codes and
/// int8 activations in registers: what W4A8 is bound by. On AVX2 and on AVX-512 without VNNI,
/// products of 8-bit codes reach half of it.
double measure_dot_peak(const CpuKernels& kernels, ThreadPool& pool, double seconds = 0.1);

/// Bytes per second of one sequential read of `bytes` (choose far more than the caches hold).
/// @throws Error{insufficient_memory}
double measure_read_bandwidth(const CpuKernels& kernels, ThreadPool& pool,
                              int64_t bytes = int64_t{256} << 20);

}  // namespace vila::kernels
