// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"
#include "cli/data_commands.h"

namespace vila::cli {
namespace {

constexpr Command kDataCommands[] = {
    {"build", "Make a data set from packages that anyone can install",
     "vila data build nano --out data/nano --emoji data/raw/emoji", add_data_build},
    {"check", "Find what is wrong with data before training does",
     "vila data check train.json --validation test.json --held-out concepts.txt", add_data_check},
    {"stats", "Count rows, pictures, words and tokens", "vila data stats train.json --json",
     add_data_stats},
    {"preview", "Show rows as training sees them: pictures, tokens, loss mask, in an HTML page",
     "vila data preview train.json --out preview.html", add_data_preview},
};

}  // namespace

Action add_data(CLI::App& app) {
  return add_commands(app, kDataCommands);
}

}  // namespace vila::cli
