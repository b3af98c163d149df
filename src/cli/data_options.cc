// SPDX-License-Identifier: Apache-2.0
#include "cli/data_options.h"

#include <CLI/CLI.hpp>

#include "cli/model_files.h"
#include "cli/output.h"
#include "formats/checkpoint.h"
#include "spec/config.h"
#include "text/chat_template.h"
#include "vila/error.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

// The folder of the named or shipped model; empty where none is named and none ships.
fs::path model_folder(const std::string& name) {
  try {
    return resolve_model(name);
  } catch (const Error&) {
    if (!name.empty()) throw;
    print_note("note: no model found, so tokens are not counted (name one with -m)");
    return {};
  }
}

void read_model(const fs::path& model, TokenRule& rule) {
  const formats::Checkpoint checkpoint = formats::open_checkpoint(model);
  rule.tokenizer = text::load_tokenizer(checkpoint.tokenizer_folder);
  const spec::VilaConfig config = spec::read_config(checkpoint.folder, checkpoint.vision_folder);
  rule.labels.tokens_per_image = config.has_vision() ? config.tokens_per_image() : 0;
  rule.max_length = config.model_max_length;
}

}  // namespace

void add_data_options(CLI::App& app, DataOptions& options) {
  app.add_option("--kind", options.kind, "pairs, documents, conversations, text, or auto")
      ->type_name("KIND")
      ->capture_default_str();
  app.add_option("--image-root", options.image_root,
                 "Where picture paths start (default: the file's folder)")
      ->type_name("DIR");
  add_tokenizer_options(app, options.tokenizer);
  app.add_option("--tokens-per-image", options.tokens_per_image,
                 "Rows of a picture (default: the model's)")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_option("--max-length", options.max_length, "Longest sample (default: the model's)")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_flag("--plain", options.is_plain, "Pairs as in the align stage: the caption alone");
}

std::unique_ptr<data::Dataset> open_set(const std::string& file, const DataOptions& options) {
  const data::Kind kind =
      options.kind == "auto" ? data::detect_kind(file) : data::parse_kind(options.kind);
  return data::open_dataset(file, kind, options.image_root);
}

TokenRule token_rule(const DataOptions& options) {
  TokenRule rule;
  if (!options.tokenizer.file.empty()) {
    rule.tokenizer = text::load_tokenizer(options.tokenizer.file);
  } else if (const fs::path folder = model_folder(options.tokenizer.model); !folder.empty()) {
    read_model(folder, rule);
  }
  rule.labels.tokenizer = rule.tokenizer.get();
  rule.labels.chat_template = &text::find_chat_template("vicuna_v1");
  rule.labels.is_plain = options.is_plain;
  if (options.tokens_per_image > 0) rule.labels.tokens_per_image = options.tokens_per_image;
  if (options.max_length > 0) rule.max_length = options.max_length;
  return rule;
}

}  // namespace vila::cli
