// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vila::test {

/// What a program left behind. exit_code is 128 + the signal's number when one ended it.
struct ProcessResult {
  int exit_code = -1;
  std::string out;
  std::string error;
};

/// Runs a program to its end. `command` is the program's path and its arguments; `input` is what it
/// reads from stdin; `out_file` receives its stdout where it is not empty.
ProcessResult run_process(const std::vector<std::string>& command, const std::string& input = "",
                          const std::string& out_file = "");

/// Starts a program and ends it by SIGKILL after that many microseconds, as a crash or a power cut
/// would: no handler runs, nothing is flushed. Does nothing to one that has ended by itself.
/// @return whether it was killed
bool run_and_kill(const std::vector<std::string>& command, int64_t microseconds);

}  // namespace vila::test
