// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vila {

/// What this CPU can do, asked of the processor itself (and of the OS for register state).
struct CpuInfo {
  std::string model;                  // e.g. "AMD EPYC"
  std::vector<std::string> features;  // e.g. {"avx2", "fma", "avx512f", …}, only those known to us
  bool has_avx2 = false;              // with FMA and F16C
  bool has_avx_vnni = false;          // the dot product of bytes on AVX2's registers
  bool has_avx512 = false;            // F, BW, DQ and VL
  bool has_avx512_vnni = false;
  bool has_avx512_bf16 = false;   // with VNNI
  bool has_neon_dotprod = false;  // the dot product of bytes of Armv8.2-A
};

/// Immutable after the call; cheap enough to be called once per program.
CpuInfo detect_cpu();

/// Largest resident set of this process so far, in bytes.
int64_t peak_resident_bytes();

/// Resident set of this process now, in bytes; 0 where the system does not tell.
int64_t resident_bytes();

}  // namespace vila
