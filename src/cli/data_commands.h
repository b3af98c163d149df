// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.h"

namespace vila::cli {

// The subcommands of `vila data`, one file each.
Action add_data_build(CLI::App& app);

}  // namespace vila::cli
