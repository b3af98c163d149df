// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/process.h"

/// The whole program with the shipped model on CPUs that lack instructions this machine has. QEMU
/// ends a program with SIGILL (exit code 132) where it meets one of those.
namespace vila::test {
namespace {

const std::string kModel = VILA_SOURCE_DIR "/models/nano";
const std::string kPicture = VILA_SOURCE_DIR "/tests/data/pictures/baseline.jpg";

struct OldCpu {
  const char* qemu_name;
  const char* best_isa;  // what must be chosen on it
  bool sees;             // a picture, in a whole prompt; else it goes on with one word, to be quick
};

/// `vila run` on nano, greedy; under QEMU, or on this machine's CPU.
ProcessResult ask(const OldCpu& cpu, bool under_qemu, const std::vector<std::string>& options) {
  std::vector<std::string> command;
  if (under_qemu) command = {VILA_QEMU, "-cpu", cpu.qemu_name};
  command.insert(command.end(), {VILA_BINARY, "run", "-m", kModel, "--temperature", "0",
                                 "--max-tokens", "2", "-t", "1"});
  const std::vector<std::string> prompt =
      cpu.sees ? std::vector<std::string>{"--image", kPicture, "What is this?"}
               : std::vector<std::string>{"--raw", "A"};
  command.insert(command.end(), prompt.begin(), prompt.end());
  command.insert(command.end(), options.begin(), options.end());
  return run_process(command);
}

class OldCpuTest : public testing::TestWithParam<OldCpu> {};

TEST_P(OldCpuTest, AnswersAsThisMachineDoesWithTheSameKernels) {
  const OldCpu& cpu = GetParam();
  const ProcessResult here = ask(cpu, false, {"--isa", cpu.best_isa});
  if (here.exit_code != 0) GTEST_SKIP() << "this CPU has no " << cpu.best_isa << ": " << here.error;

  const ProcessResult there = ask(cpu, true, {});

  EXPECT_EQ(there.exit_code, 0) << there.error;
  EXPECT_FALSE(there.out.empty());
  EXPECT_EQ(there.out, here.out);
}

TEST_P(OldCpuTest, RefusesKernelsThatItCannotRun) {
  const ProcessResult there = ask(GetParam(), true, {"--isa", "avx512"});

  EXPECT_EQ(there.exit_code, 2) << there.error;
  EXPECT_NE(there.error.find("\"avx512\""), std::string::npos) << there.error;
  EXPECT_NE(there.error.find(GetParam().best_isa), std::string::npos) << there.error;
}

// The first x86-64, one with SSE4.2 (2008), one with AVX but not AVX2 (2011), one with AVX2 (2013).
INSTANTIATE_TEST_SUITE_P(Cpus, OldCpuTest,
                         testing::Values(OldCpu{"qemu64", "scalar", true},
                                         OldCpu{"Nehalem", "scalar", false},
                                         OldCpu{"SandyBridge", "scalar", false},
                                         OldCpu{"Haswell", "avx2", false}),
                         [](const auto& test) { return std::string(test.param.qemu_name); });

}  // namespace
}  // namespace vila::test
