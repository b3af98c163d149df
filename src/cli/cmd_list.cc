// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/hub_options.h"
#include "cli/output.h"
#include "hub/stored_models.h"

namespace vila::cli {
namespace {

constexpr size_t kShortCommit = 12;

Json model_json(const hub::StoredModel& model) {
  return {{"model", model.repository},
          {"commit", model.commit},
          {"revisions", model.revisions},
          {"path", model.folder.string()},
          {"files", model.files},
          {"bytes", model.bytes},
          {"partial_bytes", model.partial_bytes},
          {"complete", model.is_whole}};
}

/// The names of a commit, or the beginning of its own.
std::string revisions_text(const hub::StoredModel& model) {
  std::string text;
  for (const std::string& revision : model.revisions)
    text += (text.empty() ? "" : ",") + revision;
  return text.empty() ? model.commit.substr(0, kShortCommit) : text;
}

std::string state_text(const hub::StoredModel& model) {
  if (model.partial_bytes > 0)
    return fmt::format("{} of a download; vila pull goes on", size_text(model.partial_bytes));
  return model.is_whole ? "" : "files are missing; vila pull fetches them";
}

void print_models(const std::vector<hub::StoredModel>& models) {
  size_t width = 0;
  for (const hub::StoredModel& model : models)
    width = std::max(width, model.repository.size());
  for (const hub::StoredModel& model : models) {
    write_out(fmt::format("{:<{}}  {:<14}{:>10}  {}\n", model.repository, width,
                          revisions_text(model), size_text(model.bytes), state_text(model)));
  }
}

int list(bool has_json) {
  const std::filesystem::path cache = hub_settings().cache;
  const std::vector<hub::StoredModel> models = hub::stored_models(cache);
  if (has_json) {
    Json rows = Json::array();
    for (const hub::StoredModel& model : models)
      rows.push_back(model_json(model));
    write_json({{"cache", cache.string()}, {"models", rows}});
    return 0;
  }
  print_models(models);
  if (models.empty()) print_note(fmt::format("nothing in {}; see vila pull", cache.string()));
  return 0;
}

}  // namespace

Action add_list(CLI::App& app) {
  auto has_json = std::make_shared<bool>(false);
  app.add_flag("--json", *has_json, "One JSON document on stdout");
  return [has_json] { return list(*has_json); };
}

}  // namespace vila::cli
