// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "cli/model_files.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "formats/model_package.h"
#include "formats/vila_file.h"
#include "quantize/export.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

struct ConvertOptions {
  std::string in;
  std::string base;  // see ModelOptions
  std::string out;
  std::string to;      // "": by the name of `out`
  std::string dtype;   // "": as it is
  std::string mmproj;  // of a GGUF `in`, or of a GGUF `out`
};

std::string target_of(const ConvertOptions& options) {
  if (!options.to.empty()) return options.to;
  const fs::path extension = fs::path(options.out).extension();
  if (extension == ".gguf") return "gguf";
  if (extension == ".pt") return "awq";
  return extension == ".vila" ? "vila" : "safetensors";
}

DType dtype_of_name(const std::string& name) {
  if (name == "f16") return DType::f16;
  return name == "bf16" ? DType::bf16 : DType::f32;
}

// The blocks that --dtype names; none where it is a type of floats.
std::optional<formats::GgmlType> blocks_of_name(const std::string& name) {
  if (name == "q8_0") return formats::GgmlType::q8_0;
  if (name == "q4_0") return formats::GgmlType::q4_0;
  if (name == "q4_1") return formats::GgmlType::q4_1;
  return std::nullopt;
}

/// A file is taken as it is, weights alone as well.
formats::ModelSource source_of(const ConvertOptions& options) {
  std::error_code ignored;
  const bool is_file = fs::is_regular_file(options.in, ignored);
  formats::ModelSource source =
      is_file ? formats::ModelSource(options.in) : find_model(options.in, options.base);
  if (target_of(options) != "gguf") source.mmproj = options.mmproj;
  return source;
}

int convert_to_awq(const ConvertOptions& options, formats::ModelPackage& package) {
  if (!options.dtype.empty()) {
    fail(ErrorCode::invalid_argument, "--dtype {}: expected none, llm-awq's files are in f16",
         options.dtype);
  }
  const int64_t group = quantize::repack_awq(package);
  formats::convert_package(package, DType::f16);
  quantize::write_quantised(options.out, package, quantize::Target::awq,
                            quantize::awq_file_name(fs::path(options.out).stem().string(), group));
  print_note(fmt::format("{}: llm-awq's v2 in groups of {}", options.out, group));
  return 0;
}

int convert(const ConvertOptions& options) {
  const std::string target = target_of(options);
  const auto blocks = blocks_of_name(options.dtype);
  if (blocks && target != "gguf") {
    fail(ErrorCode::invalid_argument,
         "--dtype {}: expected a GGUF file as OUT, found {}; `vila quantize` makes others",
         options.dtype, target);
  }
  formats::ModelPackage package = formats::open_package(source_of(options));
  if (target == "awq") return convert_to_awq(options, package);
  if (target != "vila") formats::dequantise_package(package);
  if (!options.dtype.empty() && !blocks)
    formats::convert_package(package, dtype_of_name(options.dtype));
  if (target == "gguf") {
    formats::write_gguf_package({options.out, options.mmproj, blocks}, package);
  } else if (target == "vila") {
    formats::write_vila(options.out, package);
  } else {
    formats::write_folder(options.out, package);
  }
  size_t tensors = 0;
  for (const auto& [part, content] : package.parts)
    tensors += content.size();
  for (const auto& [part, content] : package.quantised)
    tensors += content.size();
  print_note(fmt::format("{}: {} tensors and {} files as {}", options.out, tensors,
                         package.files.size(), target));
  return 0;
}

}  // namespace

Action add_convert(CLI::App& app) {
  auto options = std::make_shared<ConvertOptions>();
  app.add_option(
         "in", options->in,
         "A checkpoint folder, the name of a model, or a .vila, .gguf, .safetensors, .bin or "
         ".pt file")
      ->required();
  app.add_option("out", options->out,
                 "A folder, or a .vila, .gguf or .pt file; appears when complete")
      ->required();
  add_base_option(app, options->base);
  app.add_option("--mmproj", options->mmproj,
                 "Tower and projector of a GGUF model: of OUT, which gets them when the model sees "
                 "(default: mmproj-NAME.gguf beside it), else of IN (default: found beside it)")
      ->type_name("FILE");
  app.add_option(
         "--to", options->to,
         "Instead of what the name of OUT says; awq: llm-awq's v2 .pt, of a model in 4 bits")
      ->check(CLI::IsMember({"safetensors", "gguf", "vila", "awq"}));
  app.add_option("--dtype", options->dtype,
                 "Convert all float tensors, or of GGUF round the language model's matrices (q8_0, "
                 "q4_0, q4_1); packed weights stay packed in a .vila file")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1"}));
  return [options] { return convert(*options); };
}

}  // namespace vila::cli
