// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/data_commands.h"
#include "cli/data_options.h"
#include "cli/output.h"
#include "data/stats.h"

namespace vila::cli {
namespace {

struct StatsCommand {
  DataOptions data;
  int64_t common = 20;
  bool has_json = false;
};

int stats(const StatsCommand& command) {
  const TokenRule rule = token_rule(command.data);
  Json report = Json::array();
  for (const std::string& file : command.data.files) {
    const auto set = open_set(file, command.data);
    const data::DataStats found = data::data_stats(*set, rule.labels, command.common);
    if (command.has_json) {
      report.push_back(parse_json(data::stats_json(found), file));
    } else {
      write_out(data::stats_text(found) + "\n");
    }
  }
  if (command.has_json) write_json(report);
  return 0;
}

}  // namespace

Action add_data_stats(CLI::App& app) {
  auto command = std::make_shared<StatsCommand>();
  app.add_option("file", command->data.files, "Data sets: files or folders")
      ->type_name("FILE")
      ->required();
  add_data_options(app, command->data);
  app.add_option("--common", command->common, "How many of the commonest words to list")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--json", command->has_json, "One JSON list with an object for each set");
  return [command] { return stats(*command); };
}

}  // namespace vila::cli
