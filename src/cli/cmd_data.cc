// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"
#include "cli/data_commands.h"

namespace vila::cli {
namespace {

constexpr Command kDataCommands[] = {
    {"build", "Make a data set from packages that anyone can install",
     "vila data build nano --out data/nano --emoji data/raw/emoji", add_data_build},
};

}  // namespace

Action add_data(CLI::App& app) {
  return add_commands(app, kDataCommands);
}

}  // namespace vila::cli
