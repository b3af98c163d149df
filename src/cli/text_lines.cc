// SPDX-License-Identifier: Apache-2.0
#include "cli/text_lines.h"

#include <iostream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/model_files.h"
#include "cli/output.h"
#include "formats/small_files.h"

namespace vila::cli {

void add_tokenizer_options(CLI::App& app, TokenizerOptions& options) {
  CLI::Option* model = app.add_option("-m,--model", options.model,
                                      "Model whose tokenizer to use (default: $VILA_MODEL, else "
                                      "nano)")
                           ->type_name("MODEL");
  app.add_option("--tokenizer", options.file, "A tokenizer.model file, or the folder of one")
      ->type_name("FILE")
      ->excludes(model);
}

std::unique_ptr<text::Tokenizer> load_tokenizer(const TokenizerOptions& options) {
  if (!options.file.empty()) return text::load_tokenizer(options.file);
  return text::load_tokenizer(formats::open_model_folder(find_model(options.model, "")).path);
}

void map_json_lines(
    const std::function<Json(const Json& line, const std::string& source)>& answer) {
  map_lines(
      [&](const Json& line, const std::string& source) { return json_line(answer(line, source)); });
}

void map_lines(
    const std::function<std::string(const Json& line, const std::string& source)>& answer) {
  std::string text;
  for (int64_t number = 1; std::getline(std::cin, text); ++number) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string source = fmt::format("line {}", number);
    const Json line = parse_json(text, source);
    if (!line.is_object()) fail(ErrorCode::invalid_data, "{}: expected an object", source);
    write_out(with_context(source, [&] { return answer(line, source); }) + "\n");
  }
}

}  // namespace vila::cli
