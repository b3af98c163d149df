// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/text_lines.h"
#include "data/dataset.h"
#include "data/labelling.h"

namespace CLI {
class App;
}

namespace vila::cli {

/// Which data sets to look at and how they become tokens: what check, stats and preview share.
struct DataOptions {
  std::vector<std::string> files;
  std::string kind = "auto";
  std::string image_root;
  TokenizerOptions tokenizer;
  int64_t tokens_per_image = 0;  // 0: the model's
  int64_t max_length = 0;        // 0: the model's
  bool is_plain = false;
};

/// Registers the options but not the files.
void add_data_options(CLI::App& app, DataOptions& options);

/// Opens one set; kind "auto" looks at its first row. @throws Error{not_found | invalid_data}
std::unique_ptr<data::Dataset> open_set(const std::string& file, const DataOptions& options);

/// How samples become tokens, with what that needs kept alive. Immutable.
struct TokenRule {
  std::unique_ptr<text::Tokenizer> tokenizer;  // null: tokens are not counted
  data::LabelRule labels;
  int64_t max_length = 0;  // 0: not known
};

/// The named tokenizer or model; where none is named the shipped model, and where there is none
/// either, a note on stderr and no tokenizer.
/// @throws Error{not_found | invalid_model | invalid_config} for a named one.
TokenRule token_rule(const DataOptions& options);

}  // namespace vila::cli
