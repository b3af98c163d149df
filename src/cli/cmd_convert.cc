// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "cli/model_files.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "formats/model_package.h"
#include "formats/vila_file.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

struct ConvertOptions {
  std::string in;
  std::string base;  // see ModelOptions
  std::string out;
  std::string to;     // "": by the name of `out`
  std::string dtype;  // "": as it is
};

std::string target_of(const ConvertOptions& options) {
  if (!options.to.empty()) return options.to;
  const fs::path extension = fs::path(options.out).extension();
  if (extension == ".gguf") return "gguf";
  return extension == ".vila" ? "vila" : "safetensors";
}

DType dtype_of_name(const std::string& name) {
  if (name == "f16") return DType::f16;
  return name == "bf16" ? DType::bf16 : DType::f32;
}

/// A file is taken as it is, weights alone as well.
formats::ModelSource source_of(const ConvertOptions& options) {
  std::error_code ignored;
  if (fs::is_regular_file(options.in, ignored)) return fs::path(options.in);
  return find_model(options.in, options.base);
}

int convert(const ConvertOptions& options) {
  formats::ModelPackage package = formats::open_package(source_of(options));
  const std::string target = target_of(options);
  if (target != "vila") formats::dequantise_package(package);
  if (!options.dtype.empty()) formats::convert_package(package, dtype_of_name(options.dtype));
  if (target == "gguf") {
    formats::write_gguf_package(options.out, package);
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
  app.add_option("out", options->out, "A folder, or a .vila or .gguf file; appears when complete")
      ->required();
  add_base_option(app, options->base);
  app.add_option("--to", options->to, "Instead of what the name of OUT says")
      ->check(CLI::IsMember({"safetensors", "gguf", "vila"}));
  app.add_option("--dtype", options->dtype,
                 "Convert all float tensors; packed weights stay packed in a .vila file")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  return [options] { return convert(*options); };
}

}  // namespace vila::cli
