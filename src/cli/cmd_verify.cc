// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/model_files.h"
#include "cli/output.h"
#include "engine/verify.h"
#include "formats/vila_file.h"
#include "quantize/verify.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

struct VerifyOptions {
  std::vector<std::string> cases;
  std::string model;  // instead of the case's own; "": none
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
  const bool is_quantisation = quantize::is_quantisation_case(folder);
  if (is_quantisation && !options.model.empty()) {
    fail(ErrorCode::invalid_argument,
         "{}: expected a case of a whole model for --model, found one of quantisation", folder);
  }
  const fs::path model = options.model.empty() ? fs::path() : resolve_model(options.model);
  const std::vector<engine::VerifyRow> rows =
      is_quantisation ? quantize::verify_quantisation(folder, options.load)
                      : engine::verify_reference(folder, options.load, model);
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

bool is_vila_file(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && formats::looks_like_vila(MappedFile(path).bytes());
}

// A .vila file is its own record: each of its checksums must be that of the content it names.
bool verify_file(const std::string& path, const VerifyOptions& options, Json& report) {
  std::string fault;
  try {
    formats::check_vila(path);
  } catch (const Error& error) {
    fault = error.message();
  }
  const bool is_passed = fault.empty();
  if (options.has_json) {
    report.push_back({{"case", path}, {"passed", is_passed}, {"rows", Json::array()}});
    if (!is_passed) report.back()["first_failure"] = fault;
  } else {
    write_out(is_passed ? path + ": every checksum agrees\n" : "FAILED " + fault + "\n");
  }
  return is_passed;
}

int verify(const VerifyOptions& options) {
  Json report = Json::array();
  bool is_passed = true;
  for (const std::string& folder : options.cases) {
    const bool is_file = is_vila_file(folder);
    is_passed =
        (is_file ? verify_file(folder, options, report) : verify_case(folder, options, report)) &&
        is_passed;
  }
  if (options.has_json) write_json({{"passed", is_passed}, {"cases", report}});
  return is_passed ? 0 : 1;
}

}  // namespace

Action add_verify(CLI::App& app) {
  auto options = std::make_shared<VerifyOptions>();
  app.add_option("case", options->cases,
                 "Folder of recorded results, of a whole model or of AWQ (search, pack, file), or "
                 "a .vila file")
      ->type_name("CASE")
      ->required();
  app.add_option("-m,--model", options->model,
                 "Another form of the case's model, e.g. converted, to compare in its place")
      ->type_name("MODEL");
  app.add_option("-t,--threads", options->load.threads, "Threads (default: all cores)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--isa", options->load.isa, "Instruction set: scalar, avx2, avx512")
      ->type_name("NAME");
  app.add_flag("--json", options->has_json, "One JSON document on stdout");
  return [options] { return verify(*options); };
}

}  // namespace vila::cli
