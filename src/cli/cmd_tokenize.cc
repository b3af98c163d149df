// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "cli/text_lines.h"

namespace vila::cli {
namespace {

struct TokenizeOptions {
  TokenizerOptions tokenizer;
  std::string special = "parse";
  bool has_bos = true;
};

std::vector<text::TokenId> ids_of(const Json& line, const std::string& source) {
  const auto ids = line.find("ids");
  if (ids == line.end() || !ids->is_array()) {
    fail(ErrorCode::invalid_data, "{}: ids: expected a list of integers", source);
  }
  std::vector<text::TokenId> result;
  for (const Json& id : *ids) {
    if (!id.is_number_integer()) {
      fail(ErrorCode::invalid_data, "{}: ids: expected integers, found {}", source, id.dump());
    }
    result.push_back(id.get<text::TokenId>());
  }
  return result;
}

int tokenize(const TokenizeOptions& options) {
  const auto tokenizer = load_tokenizer(options.tokenizer);
  const text::EncodeOptions encode{.add_bos = options.has_bos,
                                   .parse_special = options.special == "parse"};
  map_json_lines([&](const Json& line, const std::string& source) {
    const auto ids = tokenizer->encode(json_require<std::string>(line, "text", source), encode);
    Json pieces = Json::array();
    for (const text::TokenId id : ids)
      pieces.push_back(tokenizer->piece(id));
    return Json{{"ids", ids}, {"pieces", pieces}};
  });
  return 0;
}

int detokenize(const TokenizerOptions& options) {
  const auto tokenizer = load_tokenizer(options);
  map_json_lines([&](const Json& line, const std::string& source) {
    return Json{{"text", replace_invalid_utf8(tokenizer->decode(ids_of(line, source)))}};
  });
  return 0;
}

}  // namespace

Action add_tokenize(CLI::App& app) {
  auto options = std::make_shared<TokenizeOptions>();
  add_tokenizer_options(app, options->tokenizer);
  app.add_option("--special", options->special,
                 "Text that spells a special token: parse it as the token, or keep it as text")
      ->check(CLI::IsMember({"parse", "text"}))
      ->capture_default_str();
  app.add_flag("--bos,!--no-bos", options->has_bos, "Put the beginning-of-text token in front");
  return [options] { return tokenize(*options); };
}

Action add_detokenize(CLI::App& app) {
  auto options = std::make_shared<TokenizerOptions>();
  add_tokenizer_options(app, *options);
  return [options] { return detokenize(*options); };
}

}  // namespace vila::cli
