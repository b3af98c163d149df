// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/tokenizer.h"

namespace vila::text {

/// What tokenizer_config.json and special_tokens_map.json say of a Llama tokenizer.
struct LlamaTokenizerOptions {
  bool is_legacy = false;  // transformers' `legacy`: the prefix blank after every special token
  bool adds_bos = true;
  bool adds_prefix_blank = true;  // `add_prefix_space`
  std::string bos = "<s>";
  std::string eos = "</s>";
  std::string unk = "<unk>";
  std::string pad = "<unk>";
  std::vector<std::string> additional;  // further named special tokens
  std::vector<AddedToken> added;
};

/// The Llama tokenizer over a SentencePiece model, as transformers' slow LlamaTokenizer (equal in
/// 4.36 and 4.46). @throws Error{not_found | invalid_model} naming the file.
std::unique_ptr<Tokenizer> load_sentencepiece(const std::filesystem::path& model_file,
                                              const LlamaTokenizerOptions& options);

}  // namespace vila::text
