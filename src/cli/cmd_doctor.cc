// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/core_count.h"
#include "base/cpu_info.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/hub_options.h"
#include "cli/model_files.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/self_test.h"
#include "engine/workspace.h"
#include "formats/checkpoint.h"
#include "hub/stored_models.h"
#include "kernels/peak.h"
#include "kernels/select.h"
#include "spec/config.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

struct DoctorOptions {
  int threads = 0;
  bool has_json = false;
};

Json kernels_json() {
  Json rows = Json::array();
  for (const kernels::CpuKernels* table : kernels::all_kernels()) {
    const std::string faults = self_test(*table);
    rows.push_back({{"isa", table->isa},
                    {"chosen", table == &kernels::best_kernels()},
                    {"passed", faults.empty()},
                    {"note", faults}});
  }
  return rows;
}

Json limits_json(ops::Context& ctx) {
  return {{"threads", ctx.pool.size()},
          {"f32_gflops", kernels::measure_fma_peak(ctx.kernels, ctx.pool) / 1e9},
          {"int8_gops", kernels::measure_dot_peak(ctx.kernels, ctx.pool) / 1e9},
          {"read_gb_s", kernels::measure_read_bandwidth(ctx.kernels, ctx.pool) / 1e9}};
}

int64_t total_memory() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  int64_t kibibytes = 0;
  meminfo >> key >> kibibytes;  // MemTotal is the first line
  return kibibytes * 1024;
}

Json disk_json(const fs::path& place) {
  std::error_code failure;
  const fs::space_info space = fs::space(place, failure);
  return {{"path", place.string()}, {"free", failure ? 0 : space.available}};
}

// What a model would need, and how fast it could answer at most: each token reads all weights.
Json model_json(const fs::path& model, double bytes_per_second) {
  Json row = {{"path", model.string()}};
  try {
    const formats::Checkpoint checkpoint = formats::open_checkpoint(model);
    const spec::VilaConfig config = spec::read_config(checkpoint.folder, checkpoint.vision_folder);
    const engine::MemoryPlan plan = engine::plan_memory(
        checkpoint, config, {config.model_max_length, 1, engine::LoadOptions{}.kv});
    row["weights"] = plan.weights;
    row["kv_cache"] = plan.kv_cache;
    row["context"] = config.model_max_length;
    row["fits"] = plan.total() <= available_memory();
    row["decode_tok_s_at_most"] = bytes_per_second / static_cast<double>(plan.weights);
  } catch (const Error& error) {
    row["error"] = error.message();
  }
  return row;
}

Json make_report(const DoctorOptions& options) {
  const CpuInfo cpu = detect_cpu();
  engine::Workspace workspace({.threads = options.threads});
  Json report = {
      {"cpu", {{"model", cpu.model}, {"features", cpu.features}, {"cores", available_cores()}}},
      {"kernels", kernels_json()},
      {"limits", limits_json(workspace.context())},
      {"memory", {{"total", total_memory()}, {"available", available_memory()}}},
      {"disk", disk_json(fs::current_path())},
      {"gpu", nullptr},
      {"models", Json::array()}};
  const double read = report["limits"]["read_gb_s"].get<double>() * 1e9;
  for (const fs::path& model : found_models(executable_path()))
    report["models"].push_back(model_json(model, read));
  for (const hub::StoredModel& model : hub::stored_models(hub_settings().cache)) {
    if (model.is_whole) report["models"].push_back(model_json(model.folder, read));
  }
  return report;
}

void print_model(const Json& row) {
  if (row.contains("error")) {
    write_out(fmt::format("model   {}: {}\n", row["path"].get<std::string>(),
                          row["error"].get<std::string>()));
    return;
  }
  write_out(
      fmt::format("model   {}: weights {:.1f} MB, KV cache of {} tokens {:.1f} MB: {}; at most "
                  "{:.0f} tokens/s\n",
                  row["path"].get<std::string>(), row["weights"].get<double>() / 1e6,
                  row["context"].get<int64_t>(), row["kv_cache"].get<double>() / 1e6,
                  row["fits"].get<bool>() ? "fits" : "does not fit",
                  row["decode_tok_s_at_most"].get<double>()));
}

void print_report(const Json& report) {
  const Json& cpu = report["cpu"];
  std::string features;
  for (const Json& feature : cpu["features"])
    features += " " + feature.get<std::string>();
  write_out(fmt::format("cpu     {}, {} cores:{}\n", cpu["model"].get<std::string>(),
                        cpu["cores"].get<int>(), features));
  for (const Json& row : report["kernels"]) {
    const std::string note = row["note"].get<std::string>();
    write_out(fmt::format("kernels {}: {}{}\n", row["isa"].get<std::string>(),
                          row["passed"].get<bool>() ? "right" : "WRONG: " + note,
                          row["chosen"].get<bool>() ? ", chosen" : ""));
  }
  const Json& limits = report["limits"];
  write_out(fmt::format(
      "limits  {:.0f} f32 Gflop/s, {:.0f} int8 Gop/s, {:.1f} GB/s read with {} threads\n",
      limits["f32_gflops"].get<double>(), limits["int8_gops"].get<double>(),
      limits["read_gb_s"].get<double>(), limits["threads"].get<int>()));
  write_out(fmt::format("memory  {:.1f} GB of {:.1f} free\n",
                        report["memory"]["available"].get<double>() / 1e9,
                        report["memory"]["total"].get<double>() / 1e9));
  write_out(fmt::format("disk    {:.1f} GB free at {}\n",
                        report["disk"]["free"].get<double>() / 1e9,
                        report["disk"]["path"].get<std::string>()));
  write_out("gpu     none: this build computes on the CPU\n");
  for (const Json& row : report["models"])
    print_model(row);
}

// 1 when a kernel computes wrongly here.
int doctor(const DoctorOptions& options) {
  const Json report = make_report(options);
  if (options.has_json) {
    write_json(report);
  } else {
    print_report(report);
  }
  for (const Json& row : report["kernels"]) {
    if (!row["passed"].get<bool>()) return 1;
  }
  return 0;
}

}  // namespace

Action add_doctor(CLI::App& app) {
  auto options = std::make_shared<DoctorOptions>();
  app.add_option("-t,--threads", options->threads, "Threads (default: all cores)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--json", options->has_json, "One JSON document on stdout");
  return [options] { return doctor(*options); };
}

}  // namespace vila::cli
