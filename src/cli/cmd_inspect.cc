// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "engine/memory_plan.h"
#include "formats/checkpoint.h"
#include "quantize/card.h"
#include "spec/config.h"
#include "spec/parameters.h"
#include "spec/prompt.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

struct InspectOptions {
  ModelOptions model;
  int64_t context = 0;  // 0: the model's
  int64_t images = 1;
  bool has_tensors = false;
  bool has_memory = false;
  bool has_json = false;
};

const char* part_of(const std::string& name) {
  if (name.starts_with(spec::kVisionPrefix)) return "vision_tower";
  if (name.starts_with("model.mm_projector.")) return "mm_projector";
  return "llm";
}

// "int4 g128"
std::string packed_dtype(const formats::QuantisedMatrix& matrix) {
  return fmt::format("int{} g{}", matrix.bits, matrix.group);
}

Json parts_json(const formats::Checkpoint& checkpoint) {
  struct Part {
    int64_t parameters = 0;
    int64_t bytes = 0;
    std::set<std::string> dtypes;
  };

  std::map<std::string, Part> parts;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    Part& part = parts[part_of(name)];
    part.parameters += tensor.numel();
    part.bytes += static_cast<int64_t>(tensor.nbytes());
    part.dtypes.emplace(dtype_name(tensor.dtype()));
  }
  for (const auto& [name, matrix] : checkpoint.quantised) {
    Part& part = parts[part_of(name)];
    part.parameters += matrix.shape().numel();
    part.bytes += matrix.bytes();
    part.dtypes.emplace(packed_dtype(matrix));
  }
  Json rows = Json::array();
  for (const auto& [name, part] : parts) {
    rows.push_back({{"name", name},
                    {"parameters", part.parameters},
                    {"bytes", part.bytes},
                    {"dtypes", part.dtypes}});
  }
  return rows;
}

Json tensors_json(const formats::Checkpoint& checkpoint) {
  Json rows = Json::array();
  for (const auto& [name, tensor] : checkpoint.tensors) {
    const auto extents = tensor.shape().extents();
    rows.push_back({{"name", name},
                    {"shape", std::vector<int64_t>(extents.begin(), extents.end())},
                    {"dtype", dtype_name(tensor.dtype())}});
  }
  for (const auto& [name, matrix] : checkpoint.quantised) {
    rows.push_back(
        {{"name", name}, {"shape", {matrix.out, matrix.in}}, {"dtype", packed_dtype(matrix)}});
  }
  return rows;
}

Json memory_json(const formats::Checkpoint& checkpoint, const spec::VilaConfig& config,
                 const InspectOptions& options) {
  const int64_t context = options.context > 0 ? options.context : config.model_max_length;
  const engine::MemoryPlan plan =
      engine::plan_memory(checkpoint, config, {context, options.images, kv_dtype(options.model)});
  return {{"context", std::min(context, config.model_max_length)},
          {"images", options.images},
          {"program", plan.program},
          {"weights", plan.weights},
          {"kv_cache", plan.kv_cache},
          {"vision_peak", plan.vision_peak},
          {"text_peak", plan.text_peak},
          {"total", plan.total()},
          {"available", available_memory()}};
}

Json special_tokens_json(const text::Tokenizer& tokenizer) {
  Json tokens = Json::object();
  const std::pair<const char*, text::TokenId> rows[] = {{"bos", tokenizer.bos_id()},
                                                        {"eos", tokenizer.eos_id()},
                                                        {"unk", tokenizer.unk_id()},
                                                        {"pad", tokenizer.pad_id()}};
  for (const auto& [name, id] : rows) {
    if (id >= 0) tokens[name] = {{"id", id}, {"piece", tokenizer.piece(id)}};
  }
  return tokens;
}

const char* generation_of(const spec::VilaConfig& config) {
  if (config.has_vision()) return spec::generation_name(config.generation);
  return config.llm.has_qkv_bias ? "qwen2" : "llama";
}

/// A folder without tokenizer is inspected as well.
void add_tokenizer(const fs::path& folder, const spec::VilaConfig& config, Json& report) {
  constexpr std::array kFiles = {"tokenizer.model", "tokenizer.json", "llm/tokenizer.model",
                                 "llm/tokenizer.json"};
  const bool is_there =
      std::ranges::any_of(kFiles, [&](const char* file) { return fs::exists(folder / file); });
  if (!is_there) return;
  const auto tokenizer = text::load_tokenizer(folder);
  report["special_tokens"] = special_tokens_json(*tokenizer);
  try {
    report["template"] =
        spec::chat_template_name(config, *tokenizer, text::read_chat_template(folder));
  } catch (const Error&) {
    report["template"] = "unknown";
  }
}

void add_licence(const fs::path& folder, Json& report) {
  for (const char* name : {"LICENSE", "LICENSE.txt", "LICENCE"}) {
    if (fs::is_regular_file(folder / name)) report["licence"] = read_file(folder / name);
  }
}

/// What the folder itself holds, where that is not a whole model.
void add_base(const formats::ModelSource& source, Json& report) {
  const formats::FolderKind kind = formats::folder_kind(formats::checkpoint_root(source.folder));
  const bool is_whole = kind == formats::FolderKind::whole;
  if (is_whole && source.base.empty()) return;
  report["kind"] = is_whole ? "delta" : formats::folder_kind_name(kind);
  report["base"] = formats::base_of(source, kind).folder.string();
}

/// What `vila quantize` left beside the weights.
void add_card(const fs::path& folder, Json& report) {
  const fs::path path = folder / quantize::kCardFile;
  if (!fs::is_regular_file(path)) return;
  report["quantization"] = read_json_file(path, ErrorCode::invalid_model);
}

Json make_report(const InspectOptions& options) {
  const formats::ModelSource source = find_model(options.model);
  const fs::path& model = source.folder;
  const formats::Checkpoint checkpoint = formats::open_checkpoint(source);
  const spec::VilaConfig config = spec::read_config(checkpoint.folder, checkpoint.vision_folder);
  int64_t parameters = 0;
  for (const auto& [name, tensor] : checkpoint.tensors)
    parameters += tensor.numel();
  for (const auto& [name, matrix] : checkpoint.quantised)
    parameters += matrix.shape().numel();
  Json report = {{"path", model.string()},
                 {"generation", generation_of(config)},
                 {"parameters", parameters},
                 {"parts", parts_json(checkpoint)},
                 {"config", spec::config_json(config)},
                 {"context", config.model_max_length}};
  if (config.has_vision()) {
    report["vision_config"] = spec::vision_config_json(*config.vision);
    report["tokens_per_image"] = config.tokens_per_image();
  }
  add_base(source, report);
  add_tokenizer(checkpoint.tokenizer_folder, config, report);
  add_licence(checkpoint.tokenizer_folder, report);
  add_card(checkpoint.tokenizer_folder, report);
  if (options.has_tensors) report["tensors"] = tensors_json(checkpoint);
  if (options.has_memory) report["memory"] = memory_json(checkpoint, config, options);
  return report;
}

std::string joined(const Json& values) {
  std::string text;
  for (const Json& value : values) {
    text +=
        (text.empty() ? "" : ", ") + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

double megabytes(const Json& bytes) {
  return bytes.get<double>() / 1e6;
}

void print_memory(const Json& memory) {
  write_out(fmt::format("memory for {} tokens of context and {} pictures, in MB\n",
                        memory["context"].get<int64_t>(), memory["images"].get<int64_t>()));
  for (const char* name :
       {"program", "weights", "kv_cache", "vision_peak", "text_peak", "total", "available"}) {
    write_out(fmt::format("  {:<14}{:>10.1f}\n", name, megabytes(memory[name])));
  }
}

void print_report(const Json& report) {
  write_out(fmt::format("{}\ngeneration {}, {:.2f} M parameters, context {}\n",
                        report["path"].get<std::string>(), report["generation"].get<std::string>(),
                        report["parameters"].get<double>() / 1e6,
                        report["context"].get<int64_t>()));
  if (report.contains("base")) {
    write_out(fmt::format("{} merged into {}\n", report["kind"].get<std::string>(),
                          report["base"].get<std::string>()));
  }
  if (report.contains("template")) {
    write_out(fmt::format("template {}", report["template"].get<std::string>()));
    if (report.contains("tokens_per_image")) {
      write_out(
          fmt::format(", {} tokens a picture or tile", report["tokens_per_image"].get<int64_t>()));
    }
    write_out("\n");
  }
  for (const Json& part : report["parts"]) {
    write_out(fmt::format("  {:<14}{:>10.2f} M parameters {:>10.1f} MB  {}\n",
                          part["name"].get<std::string>(), part["parameters"].get<double>() / 1e6,
                          megabytes(part["bytes"]), joined(part["dtypes"])));
  }
  const Json special_tokens = report.value("special_tokens", Json::object());
  for (const auto& [name, token] : special_tokens.items()) {
    write_out(fmt::format("  {} {} {}\n", name, token["id"].get<int64_t>(),
                          token["piece"].get<std::string>()));
  }
  for (const Json& tensor : report.value("tensors", Json::array())) {
    write_out(fmt::format("  {} [{}] {}\n", tensor["name"].get<std::string>(),
                          joined(tensor["shape"]), tensor["dtype"].get<std::string>()));
  }
  if (report.contains("quantization")) write_out(quantize::card_text(report["quantization"]));
  if (report.contains("memory")) print_memory(report["memory"]);
}

int inspect(const InspectOptions& options) {
  const Json report = make_report(options);
  if (options.has_json) {
    write_json(report);
  } else {
    print_report(report);
  }
  return 0;
}

}  // namespace

Action add_inspect(CLI::App& app) {
  auto options = std::make_shared<InspectOptions>();
  app.add_option("model,-m,--model", options->model.model,
                 "Checkpoint folder or name of a shipped model (default: $VILA_MODEL, else nano)")
      ->type_name("MODEL");
  add_base_option(app, options->model.base);
  add_mmproj_option(app, options->model.mmproj);
  app.add_flag("--tensors", options->has_tensors, "List every tensor with shape and type");
  app.add_flag("--memory", options->has_memory,
               "What it needs: program, weights, KV cache, activations, total");
  add_kv_option(app, options->model);
  app.add_option("--context", options->context, "Tokens that --memory plans for")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_option("--images", options->images, "Pictures that --memory plans for")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--json", options->has_json, "One JSON document on stdout");
  return [options] { return inspect(*options); };
}

}  // namespace vila::cli
