// SPDX-License-Identifier: Apache-2.0
#include <iterator>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "cli/output.h"
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

/// Lines {"ids": […], "pieces": […]}; what a piece is in JSON is remembered.
class TokenLines {
 public:
  explicit TokenLines(const text::Tokenizer& tokenizer)
      : tokenizer_(tokenizer), pieces_(static_cast<size_t>(tokenizer.vocab_size())) {}

  std::string line(const std::vector<text::TokenId>& ids) {
    std::string numbers;
    std::string pieces;
    for (const text::TokenId id : ids) {
      const char* comma = numbers.empty() ? "" : ",";
      fmt::format_to(std::back_inserter(numbers), "{}{}", comma, id);
      pieces += comma;
      pieces += piece(id);
    }
    return "{\"ids\":[" + numbers + "],\"pieces\":[" + pieces + "]}";
  }

 private:
  const std::string& piece(text::TokenId id) {
    std::string& known = pieces_.at(static_cast<size_t>(id));
    if (known.empty()) known = json_line(tokenizer_.piece(id));
    return known;
  }

  const text::Tokenizer& tokenizer_;
  std::vector<std::string> pieces_;  // by id, empty: not asked for yet
};

int tokenize(const TokenizeOptions& options) {
  const auto tokenizer = load_tokenizer(options.tokenizer);
  const text::EncodeOptions encode{.add_bos = options.has_bos,
                                   .parse_special = options.special == "parse"};
  TokenLines lines(*tokenizer);
  map_lines([&](const Json& line, const std::string& source) {
    return lines.line(tokenizer->encode(json_require<std::string>(line, "text", source), encode));
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
