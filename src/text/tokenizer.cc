// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <charconv>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "text/byte_bpe.h"
#include "text/chat_template.h"
#include "text/sentencepiece.h"

namespace vila::text {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxTokenId = int64_t{1} << 24;

[[noreturn]] void fail_file(const fs::path& file, const std::string& key, const char* expected,
                            const Json& found) {
  fail(ErrorCode::invalid_model, "{}: \"{}\": expected {}, found {}", file.string(), key, expected,
       found.dump().substr(0, 80));
}

/// The file's object; an empty one where the file is absent.
Json read_optional_object(const fs::path& file) {
  if (!fs::exists(file)) return Json::object();
  Json object = read_json_file(file, ErrorCode::invalid_model);
  if (!object.is_object()) {
    fail(ErrorCode::invalid_model, "{}: expected a JSON object, found {}", file.string(),
         object.type_name());
  }
  return object;
}

bool read_flag(const Json& object, const char* key, bool fallback, const fs::path& file) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  if (!found->is_boolean()) fail_file(file, key, "true or false", *found);
  return found->get<bool>();
}

/// A token is written as "</s>" or as {"content": "</s>", …}.
std::string token_content(const Json& value, const std::string& key, const fs::path& file) {
  const Json& content = value.is_object() && value.contains("content") ? value["content"] : value;
  if (!content.is_string()) fail_file(file, key, "a token", value);
  return content.get<std::string>();
}

/// Replaces `token` by what the object says, if it says anything.
void read_token(const Json& object, const char* key, const fs::path& file, std::string& token) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return;
  token = token_content(*found, key, file);
}

template <typename Options>
void read_named_tokens(const Json& object, const fs::path& file, Options& options) {
  read_token(object, "bos_token", file, options.bos);
  read_token(object, "eos_token", file, options.eos);
  read_token(object, "unk_token", file, options.unk);
  read_token(object, "pad_token", file, options.pad);
}

/// "additional_special_tokens": ["<|im_start|>", …].
void read_additional(const Json& object, const fs::path& file, LlamaTokenizerOptions& options) {
  const char* key = "additional_special_tokens";
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return;
  if (!found->is_array()) fail_file(file, key, "a list", *found);
  for (const Json& token : *found)
    options.additional.push_back(token_content(token, key, file));
}

TokenId parse_id(const std::string& digits, const fs::path& file) {
  int64_t id = -1;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, id);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == end;
  if (!is_number || id < 0 || id >= kMaxTokenId) {
    fail_file(file, "added_tokens_decoder", "token ids as keys", digits);
  }
  return static_cast<TokenId>(id);
}

/// "added_tokens_decoder": {"32000": {"content": "<pad>", "special": true}}.
void read_added_tokens(const Json& object, const fs::path& file, std::vector<AddedToken>& added) {
  const auto found = object.find("added_tokens_decoder");
  if (found == object.end() || found->is_null()) return;
  if (!found->is_object()) fail_file(file, "added_tokens_decoder", "an object", *found);
  for (const auto& [digits, value] : found->items()) {
    const std::string content = token_content(value, digits, file);
    const bool is_special = value.is_object() && read_flag(value, "special", false, file);
    added.push_back({content, parse_id(digits, file), is_special});
  }
}

void read_tokenizer_config(const Json& object, const fs::path& file,
                           LlamaTokenizerOptions& options) {
  const auto tokenizer_class = object.find("tokenizer_class");
  if (tokenizer_class != object.end() && *tokenizer_class != "LlamaTokenizer" &&
      *tokenizer_class != "LlamaTokenizerFast") {
    fail_file(file, "tokenizer_class", "LlamaTokenizer", *tokenizer_class);
  }
  if (read_flag(object, "add_eos_token", false, file)) {
    fail_file(file, "add_eos_token", "false", true);
  }
  options.is_legacy = read_flag(object, "legacy", options.is_legacy, file);
  options.adds_bos = read_flag(object, "add_bos_token", options.adds_bos, file);
  options.adds_prefix_blank =
      read_flag(object, "add_prefix_space", options.adds_prefix_blank, file);
  read_named_tokens(object, file, options);
  read_additional(object, file, options);
  read_added_tokens(object, file, options.added);
}

LlamaTokenizerOptions read_options(const fs::path& folder) {
  LlamaTokenizerOptions options;
  const fs::path map = folder / "special_tokens_map.json";
  const Json names = read_optional_object(map);
  read_named_tokens(names, map, options);
  read_additional(names, map, options);
  const fs::path config = folder / "tokenizer_config.json";
  read_tokenizer_config(read_optional_object(config), config, options);
  return options;
}

ByteBpeOptions read_byte_bpe_options(const fs::path& folder) {
  ByteBpeOptions options;
  const fs::path map = folder / "special_tokens_map.json";
  read_named_tokens(read_optional_object(map), map, options);
  const fs::path config = folder / "tokenizer_config.json";
  const Json object = read_optional_object(config);
  read_named_tokens(object, config, options);
  read_added_tokens(object, config, options.added);
  return options;
}

}  // namespace

std::string read_chat_template(const fs::path& folder) {
  for (const char* place : {"", "llm", "model", "model/llm"}) {
    const fs::path file = folder / place / "tokenizer_config.json";
    if (!fs::exists(file)) continue;
    const Json object = read_optional_object(file);
    const auto found = object.find("chat_template");
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
  }
  return {};
}

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& folder_or_file) {
  if (!fs::is_directory(folder_or_file)) {
    if (folder_or_file.extension() == ".json") return load_byte_bpe(folder_or_file, {});
    return load_sentencepiece(folder_or_file, {});
  }
  for (const char* place : {"", "llm", "model", "model/llm"}) {
    const fs::path folder = folder_or_file / place;
    const fs::path model = folder / "tokenizer.model";
    if (fs::exists(model)) return load_sentencepiece(model, read_options(folder));
    const fs::path json = folder / "tokenizer.json";
    if (fs::exists(json)) return load_byte_bpe(json, read_byte_bpe_options(folder));
  }
  fail(ErrorCode::not_found,
       "{}: expected a tokenizer.model (SentencePiece) or tokenizer.json, found neither; copy the "
       "checkpoint's there",
       folder_or_file.string());
}

}  // namespace vila::text
