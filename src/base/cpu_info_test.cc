// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_info.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include <gtest/gtest.h>

#include "base/aligned_buffer.h"

namespace vila {
namespace {

TEST(CpuInfo, AgreesWithTheKernel) {
  std::ifstream file("/proc/cpuinfo");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  if (text.find("flags") == std::string::npos) GTEST_SKIP() << "/proc/cpuinfo lists no flags";
  const CpuInfo info = detect_cpu();
  EXPECT_FALSE(info.model.empty());
  for (const char* feature : {"avx2", "fma", "avx512f"}) {
    const bool is_known = std::ranges::find(info.features, feature) != info.features.end();
    EXPECT_EQ(is_known, text.find(std::string(" ") + feature) != std::string::npos) << feature;
  }
  EXPECT_TRUE(info.has_avx2 || !info.has_avx512);
  EXPECT_TRUE(info.has_avx512 || !info.has_avx512_vnni);
  EXPECT_TRUE(info.has_avx512_vnni || !info.has_avx512_bf16);
}

TEST(CpuInfo, PeakGrowsWithUse) {
  const int64_t before = peak_resident_bytes();
  EXPECT_GT(before, 0);
  AlignedBuffer buffer(size_t{64} << 20);
  std::memset(buffer.data(), 1, buffer.size());
  EXPECT_GE(peak_resident_bytes(), int64_t{64} << 20);
}

}  // namespace
}  // namespace vila
