// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/tokenizer.h"

namespace vila::text {

/// What tokenizer_config.json and special_tokens_map.json say beside a tokenizer.json; empty names:
/// the tokenizer has no such token.
struct ByteBpeOptions {
  std::string bos;
  std::string eos;
  std::string unk;
  std::string pad;
  std::vector<AddedToken> added;
};

/// A byte-level BPE of a tokenizer.json (GPT-2, SmolLM2, Llama-3, Qwen2 and later), as the library
/// `tokenizers` with transformers' PreTrainedTokenizerFast (equal in 4.46), without the clean-up of
/// blanks in decoding. Malformed UTF-8 in a text counts as U+FFFD.
/// @throws Error{not_found | invalid_model} naming the file and what of it is of another kind.
std::unique_ptr<Tokenizer> load_byte_bpe(const std::filesystem::path& json_file,
                                         const ByteBpeOptions& options);

}  // namespace vila::text
