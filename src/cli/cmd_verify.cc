// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/output.h"
#include "engine/verify.h"

namespace vila::cli {
namespace {

struct VerifyOptions {
  std::vector<std::string> cases;
  engine::LoadOptions load;
  bool has_json = false;
};

Json row_json(const engine::VerifyRow& row) {
  return {{"name", row.name},           {"max_abs", row.max_abs},  {"relative", row.relative},
          {"tolerance", row.tolerance}, {"passed", row.is_passed}, {"note", row.note}};
}

void print_row(const engine::VerifyRow& row) {
  write_out(fmt::format("{:<44} max abs {:9.2e}  relative {:9.2e}  tolerance {:7.1e}{}  {}{}\n",
                        row.name, row.max_abs, row.relative, row.tolerance,
                        row.is_absolute ? " abs" : "    ", row.is_passed ? "ok" : "FAILED",
                        row.note.empty() ? "" : "  " + row.note));
}

// The first row that fails, or null.
const engine::VerifyRow* first_failure(const std::vector<engine::VerifyRow>& rows) {
  for (const engine::VerifyRow& row : rows) {
    if (!row.is_passed) return &row;
  }
  return nullptr;
}

bool verify_case(const std::string& folder, const VerifyOptions& options, Json& report) {
  const std::vector<engine::VerifyRow> rows = engine::verify_reference(folder, options.load);
  const engine::VerifyRow* failure = first_failure(rows);
  if (options.has_json) {
    Json json = {{"case", folder}, {"passed", failure == nullptr}, {"rows", Json::array()}};
    for (const engine::VerifyRow& row : rows)
      json["rows"].push_back(row_json(row));
    if (failure != nullptr) json["first_failure"] = failure->name;
    report.push_back(std::move(json));
  } else {
    for (const engine::VerifyRow& row : rows)
      print_row(row);
    write_out(fmt::format(
        "{}: {} compared, {}\n", folder, rows.size(),
        failure == nullptr ? "all within tolerance" : "first that differs: " + failure->name));
  }
  return failure == nullptr;
}

int verify(const VerifyOptions& options) {
  Json report = Json::array();
  bool is_passed = true;
  for (const std::string& folder : options.cases) {
    is_passed = verify_case(folder, options, report) && is_passed;
  }
  if (options.has_json) write_json({{"passed", is_passed}, {"cases", report}});
  return is_passed ? 0 : 1;
}

}  // namespace

Action add_verify(CLI::App& app) {
  auto options = std::make_shared<VerifyOptions>();
  app.add_option("case", options->cases,
                 "Folder with checkpoint/, inputs/ and expected.safetensors")
      ->type_name("CASE")
      ->required();
  app.add_option("-t,--threads", options->load.threads, "Threads (default: all cores)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--isa", options->load.isa, "Instruction set: scalar, avx2, avx512")
      ->type_name("NAME");
  app.add_flag("--json", options->has_json, "One JSON document on stdout");
  return [options] { return verify(*options); };
}

}  // namespace vila::cli
