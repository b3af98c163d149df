// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_tokenizer.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "formats/sentencepiece_model.h"

namespace vila::formats {
namespace {

using Files = std::map<std::string, std::string>;

/// How SentencePiece texts continue behind a special token: transformers' "legacy", for which GGUF
/// has no key.
constexpr const char* kLegacy = "vila.tokenizer.legacy";
constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kPre = "tokenizer.ggml.pre";
constexpr const char* kModel = "tokenizer.ggml.model";
constexpr const char* kTemplate = "tokenizer.chat_template";

/// The pattern of Llama-3 and Qwen2 up to what a run of digits is.
constexpr std::string_view kSplitHead = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)";
constexpr std::string_view kSplitTail = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// A way to cut text before the merges: GGUF's name of it, and what tells it in a tokenizer.json.
struct SplitRow {
  std::string_view name;
  std::string_view digits;  // the part of a "Split" pattern between head and tail; "" none
  bool has_single_digits;   // a "Digits" step
};

constexpr std::array<SplitRow, 5> kSplits = {{{"gpt-2", "", false},
                                              {"smollm", "", true},
                                              {"llama-bpe", R"(\p{N}{1,3})", false},
                                              {"qwen2", R"(\p{N})", false},
                                              {"default", "", false}}};

Json pre_tokenizer(const SplitRow& split) {
  Json bytes = {{"type", "ByteLevel"},
                {"add_prefix_space", false},
                {"trim_offsets", true},
                {"use_regex", split.digits.empty()}};
  if (split.digits.empty() && !split.has_single_digits) return bytes;
  Json first = {{"type", "Digits"}, {"individual_digits", true}};
  if (!split.digits.empty()) {
    first = {{"type", "Split"},
             {"pattern", {{"Regex", fmt::format("{}{}{}", kSplitHead, split.digits, kSplitTail)}}},
             {"behavior", "Isolated"},
             {"invert", false}};
  }
  return {{"type", "Sequence"}, {"pretokenizers", {first, bytes}}};
}

/// Tokens and their types, checked to be as many.
struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<PieceType> types;
};

Vocabulary read_vocabulary(const GgufFile& file) {
  Vocabulary vocabulary{.tokens = gguf_require<std::vector<std::string>>(file, kTokens),
                        .types = {}};
  const std::vector<int64_t> normal(vocabulary.tokens.size(), 1);
  const auto types = gguf_get<std::vector<int64_t>>(file, kTypes, normal);
  if (types.size() != vocabulary.tokens.size()) {
    fail(ErrorCode::invalid_model, "{}: \"{}\": expected {} types, found {}", file.source(), kTypes,
         vocabulary.tokens.size(), types.size());
  }
  for (size_t id = 0; id < types.size(); ++id) {
    if (types[id] < 1 || types[id] > 6 || !is_valid_utf8(vocabulary.tokens[id])) {
      fail(ErrorCode::invalid_model, "{}: token {}: expected UTF-8 and a type 1 … 6, found type {}",
           file.source(), id, types[id]);
    }
    vocabulary.types.push_back(static_cast<PieceType>(types[id]));
  }
  return vocabulary;
}

std::string sentencepiece_file(const GgufFile& file, const Vocabulary& vocabulary) {
  const auto scores = gguf_require<std::vector<double>>(file, kScores);
  if (scores.size() != vocabulary.tokens.size()) {
    fail(ErrorCode::invalid_model, "{}: \"{}\": expected {} scores, found {}", file.source(),
         kScores, vocabulary.tokens.size(), scores.size());
  }
  std::vector<SentencePiece> pieces;
  for (size_t id = 0; id < scores.size(); ++id)
    pieces.push_back({vocabulary.tokens[id], static_cast<float>(scores[id]), vocabulary.types[id]});
  return write_sentencepiece(pieces);
}

Json added_token(size_t id, const std::string& content, bool is_special) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", is_special}};
}

std::string bpe_file(const GgufFile& file, const Vocabulary& vocabulary) {
  const auto name = gguf_get<std::string>(file, kPre, "default");
  const auto* split = std::ranges::find(kSplits, name, &SplitRow::name);
  if (split == kSplits.end()) {
    fail(ErrorCode::invalid_model,
         "{}: \"{}\": expected gpt-2, default, smollm, llama-bpe or qwen2, found \"{}\"",
         file.source(), kPre, replace_invalid_utf8(name));
  }
  Json ids = Json::object();
  Json added = Json::array();
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const PieceType type = vocabulary.types[id];
    const std::string& token = vocabulary.tokens[id];
    if (type == PieceType::control || type == PieceType::user_defined) {
      added.push_back(added_token(id, token, type == PieceType::control));
    }
    if (type != PieceType::unused) ids[token] = id;
  }
  Json merges = Json::array();
  for (const std::string& merge : gguf_require<std::vector<std::string>>(file, kMerges))
    merges.push_back(replace_invalid_utf8(merge));
  const bool is_normalized = split->name == "qwen2";
  const Json normalizer = is_normalized ? Json{{"type", "NFC"}} : Json();
  const Json bytes = {{"type", "ByteLevel"},
                      {"add_prefix_space", false},
                      {"trim_offsets", true},
                      {"use_regex", true}};
  const Json model = {{"type", "BPE"},
                      {"dropout", nullptr},
                      {"unk_token", nullptr},
                      {"continuing_subword_prefix", nullptr},
                      {"end_of_word_suffix", nullptr},
                      {"fuse_unk", false},
                      {"byte_fallback", false},
                      {"ignore_merges", split->name == "llama-bpe"},
                      {"vocab", ids},
                      {"merges", merges}};
  const Json tokenizer = {{"version", "1.0"},
                          {"truncation", nullptr},
                          {"padding", nullptr},
                          {"added_tokens", added},
                          {"normalizer", normalizer},
                          {"pre_tokenizer", pre_tokenizer(*split)},
                          {"post_processor", nullptr},
                          {"decoder", bytes},
                          {"model", model}};
  return tokenizer.dump();
}

/// The text of the token that `key` names; "" when there is none.
std::string token_named(const GgufFile& file, const Vocabulary& vocabulary, const char* key) {
  const auto id = gguf_get<int64_t>(file, key, -1);
  const bool is_token = id >= 0 && id < static_cast<int64_t>(vocabulary.tokens.size());
  return is_token ? vocabulary.tokens[static_cast<size_t>(id)] : "";
}

std::string config_file(const GgufFile& file, const Vocabulary& vocabulary, bool is_bpe) {
  Json config = {{"tokenizer_class", is_bpe ? "PreTrainedTokenizerFast" : "LlamaTokenizer"},
                 {"add_bos_token", gguf_get<bool>(file, "tokenizer.ggml.add_bos_token", !is_bpe)},
                 {"add_eos_token", gguf_get<bool>(file, "tokenizer.ggml.add_eos_token", false)}};
  for (const auto& [key, name] :
       std::map<const char*, const char*>{{"tokenizer.ggml.bos_token_id", "bos_token"},
                                          {"tokenizer.ggml.eos_token_id", "eos_token"},
                                          {"tokenizer.ggml.unknown_token_id", "unk_token"},
                                          {"tokenizer.ggml.padding_token_id", "pad_token"}}) {
    const std::string token = token_named(file, vocabulary, key);
    if (!token.empty()) config[name] = token;
  }
  if (file.metadata.contains(kLegacy)) config["legacy"] = gguf_require<bool>(file, kLegacy);
  if (file.metadata.contains(kTemplate)) {
    config["chat_template"] = replace_invalid_utf8(gguf_require<std::string>(file, kTemplate));
  }
  return config.dump(2) + "\n";
}

/// Fills up to the rows of the embedding table, as llama.cpp demands.
void put_vocabulary(GgufMetadata& metadata, std::vector<std::string> tokens,
                    std::vector<int64_t> types, int64_t vocabulary) {
  for (auto id = static_cast<int64_t>(tokens.size()); id < vocabulary; ++id) {
    tokens.push_back(fmt::format("[PAD{}]", id));
    types.push_back(static_cast<int64_t>(PieceType::unused));
  }
  metadata[kTokens] = std::move(tokens);
  metadata[kTypes] = std::move(types);
}

GgufMetadata sentencepiece_metadata(const std::string& model, int64_t vocabulary) {
  std::vector<std::string> tokens;
  std::vector<int64_t> types;
  std::vector<double> scores;
  for (const SentencePiece& piece : read_sentencepiece(model, "tokenizer.model")) {
    tokens.push_back(piece.text);
    types.push_back(static_cast<int64_t>(piece.type));
    scores.push_back(double{piece.score});
  }
  scores.resize(std::max(scores.size(), static_cast<size_t>(vocabulary)), -10000);
  GgufMetadata metadata = {
      {kModel, std::string("llama")}, {kPre, std::string("default")}, {kScores, std::move(scores)}};
  put_vocabulary(metadata, std::move(tokens), std::move(types), vocabulary);
  return metadata;
}

/// GGUF's name of the way that a tokenizer.json cuts text.
std::string split_name(const Json& tokenizer) {
  const Json steps = tokenizer.value("pre_tokenizer", Json());
  for (const SplitRow& split : kSplits) {
    Json expected = pre_tokenizer(split);
    // Options that change no ids differ between writers.
    const auto plain = [](Json value) {
      const auto drop = [](Json& step) {
        for (const char* key : {"trim_offsets", "invert"})
          step.erase(key);
      };
      if (value.contains("pretokenizers")) {
        for (Json& step : value["pretokenizers"])
          drop(step);
      } else if (value.is_object()) {
        drop(value);
      }
      return value;
    };
    if (plain(steps) == plain(expected)) return std::string(split.name);
  }
  fail(ErrorCode::invalid_model,
       "tokenizer.json: expected the pre_tokenizer of GPT-2, SmolLM2, Llama-3 or Qwen2 for GGUF, "
       "found {}",
       steps.dump().substr(0, 200));
}

std::string merge_text(const Json& merge) {
  if (merge.is_string()) return merge.get<std::string>();
  return merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>();
}

void put_token(std::vector<std::string>& tokens, std::vector<int64_t>& types, int64_t id,
               const std::string& text, PieceType type) {
  const int64_t limit = 1 << 24;
  if (id < 0 || id >= limit) {
    fail(ErrorCode::invalid_model, "tokenizer.json: expected ids below {}, found {}", limit, id);
  }
  const auto at = static_cast<size_t>(id);
  while (tokens.size() <= at) {
    tokens.push_back(fmt::format("[PAD{}]", tokens.size()));
    types.push_back(static_cast<int64_t>(PieceType::unused));
  }
  tokens[at] = text;
  types[at] = static_cast<int64_t>(type);
}

GgufMetadata bpe_metadata(const std::string& text, int64_t vocabulary) {
  const Json tokenizer = parse_json(text, "tokenizer.json");
  try {
    std::vector<std::string> tokens;
    std::vector<int64_t> types;
    for (const auto& [token, id] : tokenizer.at("model").at("vocab").items())
      put_token(tokens, types, id.get<int64_t>(), token, PieceType::normal);
    for (const Json& added : tokenizer.value("added_tokens", Json::array())) {
      put_token(tokens, types, added.at("id").get<int64_t>(), added.at("content"),
                added.value("special", false) ? PieceType::control : PieceType::user_defined);
    }
    std::vector<std::string> merges;
    for (const Json& merge : tokenizer.at("model").at("merges"))
      merges.push_back(merge_text(merge));
    GgufMetadata metadata = {
        {kModel, std::string("gpt2")}, {kPre, split_name(tokenizer)}, {kMerges, std::move(merges)}};
    put_vocabulary(metadata, std::move(tokens), std::move(types), vocabulary);
    return metadata;
  } catch (const Json::exception& error) {
    fail(ErrorCode::invalid_model, "tokenizer.json: expected a BPE model with vocab and merges: {}",
         error.what());
  }
}

/// A special token's text, written as a string or as an object with "content".
std::string token_text(const Json& config, const char* name) {
  const auto found = config.find(name);
  if (found == config.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  const bool has_content = found->is_object() && found->contains("content");
  return has_content && (*found)["content"].is_string() ? (*found)["content"] : "";
}

void put_specials(GgufMetadata& metadata, const std::string& text) {
  const Json config = parse_json(text, "tokenizer_config.json");
  if (!config.is_object()) return;
  const auto& tokens = std::get<std::vector<std::string>>(metadata.at(kTokens));
  for (const auto& [name, key] :
       std::map<const char*, const char*>{{"bos_token", "tokenizer.ggml.bos_token_id"},
                                          {"eos_token", "tokenizer.ggml.eos_token_id"},
                                          {"unk_token", "tokenizer.ggml.unknown_token_id"},
                                          {"pad_token", "tokenizer.ggml.padding_token_id"}}) {
    const auto found = std::ranges::find(tokens, token_text(config, name));
    if (found != tokens.end()) metadata[key] = int64_t{found - tokens.begin()};
  }
  for (const auto& [name, key] :
       std::map<const char*, const char*>{{"legacy", kLegacy},
                                          {"add_bos_token", "tokenizer.ggml.add_bos_token"},
                                          {"add_eos_token", "tokenizer.ggml.add_eos_token"}}) {
    const auto found = config.find(name);
    if (found != config.end() && found->is_boolean()) metadata[key] = found->get<bool>();
  }
  const auto chat = config.find("chat_template");
  if (chat != config.end() && chat->is_string()) metadata[kTemplate] = chat->get<std::string>();
}

}  // namespace

Files gguf_tokenizer_files(const GgufFile& file) {
  if (!file.metadata.contains(kTokens)) return {};
  const auto kind = gguf_require<std::string>(file, kModel);
  if (kind != "llama" && kind != "gpt2") {
    fail(ErrorCode::invalid_model, "{}: \"{}\": expected \"llama\" or \"gpt2\", found \"{}\"",
         file.source(), kModel, replace_invalid_utf8(kind));
  }
  const Vocabulary vocabulary = read_vocabulary(file);
  const bool is_bpe = kind == "gpt2";
  Files files = {{"tokenizer_config.json", config_file(file, vocabulary, is_bpe)}};
  if (is_bpe) {
    files["tokenizer.json"] = bpe_file(file, vocabulary);
  } else {
    files["tokenizer.model"] = sentencepiece_file(file, vocabulary);
  }
  return files;
}

GgufMetadata gguf_tokenizer_metadata(const Files& files, int64_t vocabulary) {
  const auto model = files.find("tokenizer.model");
  const auto json = files.find("tokenizer.json");
  if (model == files.end() && json == files.end()) return {};
  GgufMetadata metadata = model != files.end() ? sentencepiece_metadata(model->second, vocabulary)
                                               : bpe_metadata(json->second, vocabulary);
  const auto config = files.find("tokenizer_config.json");
  if (config != files.end()) put_specials(metadata, config->second);
  return metadata;
}

}  // namespace vila::formats
