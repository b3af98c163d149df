// SPDX-License-Identifier: Apache-2.0
#include "base/core_count.h"

#include <fstream>

#include <gtest/gtest.h>
#include <sched.h>

#include "base/thread_pool.h"
#include "support/temporary_folder.h"

namespace vila {
namespace {

class CgroupCores : public testing::Test {
 protected:
  void limit(const std::string& group, const std::string& text) {
    std::filesystem::create_directories(folder_ / group);
    std::ofstream((folder_ / group) / "cpu.max") << text << '\n';
  }

  int cores(std::string_view self) const { return cgroup_cores(folder_ / "", self); }

  test::TemporaryFolder folder_;
};

TEST_F(CgroupCores, AreNotLimitedWithoutAGroup) {
  EXPECT_EQ(cores(""), 0);
  EXPECT_EQ(cores("0::/\n"), 0);
  EXPECT_EQ(cores("0::/not/there\n"), 0);
}

TEST_F(CgroupCores, AreTheQuotaRoundedUp) {
  limit("a", "150000 100000");
  EXPECT_EQ(cores("0::/a\n"), 2);
  limit("a", "200000 100000");
  EXPECT_EQ(cores("0::/a\n"), 2);
  limit("a", "1000 100000");
  EXPECT_EQ(cores("0::/a\n"), 1);
  limit("a", "max 100000");
  EXPECT_EQ(cores("0::/a\n"), 0);
}

TEST_F(CgroupCores, AreTheLeastOfAllGroupsAbove) {
  limit("", "800000 100000");
  limit("a/b", "400000 100000");
  limit("a/b/c", "max 100000");
  EXPECT_EQ(cores("12:cpu:/x\n0::/a/b/c\n"), 4);
  limit("a", "300000 100000");
  EXPECT_EQ(cores("0::/a/b/c"), 3);
  EXPECT_EQ(cores("1:name=systemd:/a/b\n"), 8) << "a line of cgroup v1 names no group";
}

TEST_F(CgroupCores, IgnoreWhatTheyDoNotUnderstand) {
  for (const char* text : {"", "x y", "100000", "-1 100000", "9 0", "99999999999999999999 1"}) {
    limit("a", text);
    EXPECT_EQ(cores("0::/a\n"), 0) << text;
  }
}

TEST(AvailableCores, AreAtMostThoseOfTheAffinity) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(before), &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(available_cores(), 1);
  ASSERT_EQ(::sched_setaffinity(0, sizeof(before), &before), 0);
  EXPECT_LE(available_cores(), CPU_COUNT(&before));
}

}  // namespace
}  // namespace vila
