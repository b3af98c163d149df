// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/hub_options.h"
#include "cli/output.h"
#include "hub/stored_models.h"

namespace vila::cli {
namespace {

struct RemoveOptions {
  std::vector<std::string> models;
  bool has_json = false;
};

int remove(const RemoveOptions& options) {
  const std::filesystem::path cache = hub_settings().cache;
  Json rows = Json::array();
  for (const std::string& name : options.models) {
    const bool is_whole = name.find('@') == std::string::npos;
    const hub::Removed removed = hub::remove_model(cache, require_hub_id(name), is_whole);
    rows.push_back({{"model", name}, {"commits", removed.commits}, {"bytes", removed.bytes}});
    if (!options.has_json)
      print_note(fmt::format("{}: removed, {} freed", name, size_text(removed.bytes)));
  }
  if (options.has_json) write_json(rows);
  return 0;
}

}  // namespace

Action add_rm(CLI::App& app) {
  auto options = std::make_shared<RemoveOptions>();
  app.add_option("model", options->models,
                 "A model of the cache with all its revisions, or one revision of it")
      ->type_name("ORG/NAME[@REV]")
      ->required();
  app.add_flag("--json", options->has_json, "One JSON document on stdout");
  return [options] { return remove(*options); };
}

}  // namespace vila::cli
