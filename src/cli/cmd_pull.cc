// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/hub_options.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/transfer_line.h"
#include "hub/pull.h"

namespace vila::cli {
namespace {

struct PullOptions {
  std::string model;
  std::vector<std::string> patterns;
  bool has_json = false;
};

Json pulled_json(const hub::Pulled& pulled) {
  Json files = Json::array();
  uint64_t bytes = 0;
  for (const hub::PulledFile& file : pulled.files) {
    files.push_back({{"path", file.path}, {"bytes", file.size}, {"was_here", file.was_here}});
    bytes += file.size;
  }
  return {{"model", pulled.id.repository},
          {"revision", pulled.id.revision},
          {"commit", pulled.commit},
          {"path", pulled.folder.string()},
          {"bytes", bytes},
          {"files", files}};
}

/// Pulls one repository; what is on the way stays for the next pull when it fails.
hub::Pulled pull_one(const formats::HubId& id, const std::vector<std::string>& patterns,
                     const hub::Settings& settings) {
  const InterruptGuard interrupt;
  TransferLine line(isatty(STDERR_FILENO) == 1);
  hub::Hooks hooks;
  hooks.is_cancelled = [&] { return interrupt.is_raised(); };
  hooks.on_progress = [&](const hub::Hooks::Progress& progress) {
    line.show(progress, TransferLine::Clock::now());
  };
  hooks.log = [&](LogLevel level, std::string_view message) {
    if (level == LogLevel::debug) return;
    line.finish();
    stderr_log()(level, message);
  };
  try {
    hub::Pulled pulled = hub::pull(id, patterns, settings, hooks);
    line.finish();
    return pulled;
  } catch (const Error& error) {
    line.finish();
    if (error.code() == ErrorCode::cancelled)
      print_note("interrupted; the same command goes on from here");
    throw;
  }
}

int pull(const PullOptions& options) {
  const hub::Settings settings = hub_settings();
  const hub::Pulled pulled = pull_one(require_hub_id(options.model), options.patterns, settings);
  Json companions = Json::array();
  for (const formats::HubId& id : hub::missing_companions(pulled.folder)) {
    print_note(fmt::format("{} needs {} as well", pulled.id.repository, id.repository));
    companions.push_back(pulled_json(pull_one(id, {}, settings)));
  }
  Json report = pulled_json(pulled);
  if (!companions.empty()) report["companions"] = companions;
  if (options.has_json) {
    write_json(report);
  } else {
    write_out(pulled.folder.string() + "\n");
  }
  return 0;
}

}  // namespace

Action add_pull(CLI::App& app) {
  auto options = std::make_shared<PullOptions>();
  app.add_option("model", options->model, "ORG/NAME of the Hugging Face Hub, or ORG/NAME@REVISION")
      ->type_name("ORG/NAME[@REV]")
      ->required();
  app.add_option("--include", options->patterns,
                 "Only files that match this shell pattern; may be given several times "
                 "(default: all that a model needs)")
      ->type_name("PATTERN");
  app.add_flag("--json", options->has_json, "One JSON document on stdout");
  return [options] { return pull(*options); };
}

}  // namespace vila::cli
