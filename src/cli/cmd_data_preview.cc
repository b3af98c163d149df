// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/data_commands.h"
#include "cli/data_options.h"
#include "cli/output.h"
#include "data/preview.h"

namespace vila::cli {
namespace {

struct PreviewCommand {
  DataOptions data;
  data::PreviewOptions preview;
  std::string out = "preview.html";
};

int preview(const PreviewCommand& command) {
  const TokenRule rule = token_rule(command.data);
  data::PreviewOptions options = command.preview;
  options.labels = rule.labels;
  options.max_length = rule.max_length;
  const auto set = open_set(command.data.files.front(), command.data);
  const std::string page = data::preview_html(*set, options);
  if (command.out == "-") {
    write_out(page);
  } else {
    write_file(command.out, page);
    print_note(fmt::format("wrote {}", command.out));
  }
  return 0;
}

}  // namespace

Action add_data_preview(CLI::App& app) {
  auto command = std::make_shared<PreviewCommand>();
  app.add_option("file", command->data.files, "A data set: a file or a folder")
      ->type_name("FILE")
      ->expected(1)
      ->required();
  app.add_option("--out", command->out, "The HTML page to write, - for stdout")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--row", command->preview.rows, "Show this row (repeatable)")
      ->type_name("N")
      ->allow_extra_args(false);
  app.add_option("--count", command->preview.count, "Show so many rows drawn by --seed")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seed", command->preview.seed, "Which rows are drawn")->capture_default_str();
  add_data_options(app, command->data);
  return [command] { return preview(*command); };
}

}  // namespace vila::cli
