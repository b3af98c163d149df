// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>

namespace vila::cli {
namespace {

TEST(Interrupt, RaisesAFlagOnceAndCanBeCleared) {
  InterruptGuard guard;
  EXPECT_FALSE(guard.is_raised());

  raise(SIGINT);
  EXPECT_TRUE(guard.is_raised());

  guard.clear();
  EXPECT_FALSE(guard.is_raised());
}

void interrupt_twice() {
  const InterruptGuard guard;
  raise(SIGINT);
  raise(SIGINT);
  std::exit(0);
}

TEST(InterruptDeathTest, EndsTheProgramTheSecondTime) {
  EXPECT_EXIT(interrupt_twice(), testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace vila::cli
