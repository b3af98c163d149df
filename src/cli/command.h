// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>

namespace CLI {
class App;
}

namespace vila::cli {

/// What a command does once its options are parsed; returns the exit code, or throws Error.
using Action = std::function<int()>;

/// One row of the table of subcommands: `add` registers the options on its subcommand.
struct Command {
  const char* name;
  const char* summary;
  const char* example;  // shown below --help
  Action (*add)(CLI::App& app);
};

/// Registers each of `rows` as a subcommand of `app`, of which exactly one must be given.
/// @return what runs that one.
Action add_commands(CLI::App& app, std::span<const Command> rows);

/// All subcommands, in the order in which --help lists them.
std::span<const Command> commands();

// One file each: cmd_<name>.cc.
Action add_run(CLI::App& app);
Action add_chat(CLI::App& app);
Action add_inspect(CLI::App& app);
Action add_tokenize(CLI::App& app);
Action add_detokenize(CLI::App& app);
Action add_render(CLI::App& app);
Action add_explain(CLI::App& app);
Action add_verify(CLI::App& app);
Action add_bench(CLI::App& app);
Action add_doctor(CLI::App& app);
Action add_perplexity(CLI::App& app);
Action add_convert(CLI::App& app);
Action add_pull(CLI::App& app);
Action add_list(CLI::App& app);
Action add_rm(CLI::App& app);
Action add_quantize(CLI::App& app);
Action add_train(CLI::App& app);
Action add_data(CLI::App& app);
Action add_eval(CLI::App& app);
Action add_score(CLI::App& app);

}  // namespace vila::cli
