// SPDX-License-Identifier: Apache-2.0
#pragma once

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

}  // namespace vila::test
