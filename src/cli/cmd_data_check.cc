// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <memory>

#include <CLI/CLI.hpp>

#include "base/core_count.h"
#include "cli/data_commands.h"
#include "cli/data_options.h"
#include "cli/output.h"
#include "data/linter.h"
#include "vila/error.h"

namespace vila::cli {
namespace {

struct CheckCommand {
  DataOptions data;
  std::vector<std::string> validation;
  std::vector<std::string> held_out;
  data::PictureCheck pictures = data::PictureCheck::decode;
  int threads = available_cores();
  int64_t limit = 20;
  bool has_json = false;
};

std::vector<data::CheckSet> open_sets(const CheckCommand& command) {
  std::vector<data::CheckSet> sets;
  for (const std::string& file : command.data.files) {
    sets.push_back({open_set(file, command.data), data::Split::train});
  }
  for (const std::string& file : command.validation) {
    sets.push_back({open_set(file, command.data), data::Split::validation});
  }
  return sets;
}

int check(const CheckCommand& command) {
  const TokenRule rule = token_rule(command.data);
  data::CheckOptions options{.pictures = command.pictures,
                             .labels = rule.labels,
                             .max_length = rule.max_length,
                             .held_out = {},
                             .threads = command.threads};
  options.held_out.assign(command.held_out.begin(), command.held_out.end());
  const data::CheckReport report = data::check_data(open_sets(command), options);
  write_out(command.has_json ? data::report_json(report)
                             : data::report_text(report, command.limit));
  return report.errors() == 0 ? 0 : exit_code(ErrorCode::invalid_data);
}

}  // namespace

Action add_data_check(CLI::App& app) {
  auto command = std::make_shared<CheckCommand>();
  app.add_option("file", command->data.files, "Sets for training: files or folders")
      ->type_name("FILE")
      ->required();
  app.add_option("--validation", command->validation,
                 "A set that training must not contain (repeatable)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--held-out", command->held_out,
                 "A file of concepts, one a line, that training must not contain (repeatable)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  const std::map<std::string, data::PictureCheck> depths = {{"stat", data::PictureCheck::stat},
                                                            {"read", data::PictureCheck::read},
                                                            {"decode", data::PictureCheck::decode}};
  app.add_option("--pictures", command->pictures,
                 "How far to look at pictures: stat, read, decode (default)")
      ->transform(CLI::CheckedTransformer(depths));
  add_data_options(app, command->data);
  app.add_option("-t,--threads", command->threads, "Threads (default: all cores)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--limit", command->limit, "Findings shown of each rule and file; 0: all")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--json", command->has_json, "One JSON document with every finding");
  return [command] { return check(*command); };
}

}  // namespace vila::cli
