// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.h"

namespace vila::cli {

// The subcommands of `vila data`, one file each.
Action add_data_build(CLI::App& app);
Action add_data_check(CLI::App& app);
Action add_data_stats(CLI::App& app);
Action add_data_preview(CLI::App& app);

}  // namespace vila::cli
