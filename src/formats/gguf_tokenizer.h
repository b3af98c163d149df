// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "formats/gguf.h"

namespace vila::formats {

/// The tokenizer in a GGUF file's metadata as the files of a Hugging Face folder: tokenizer.model
/// for "llama" (SentencePiece), tokenizer.json for "gpt2" (byte-level BPE, split as
/// `tokenizer.ggml.pre` names: gpt-2, default, smollm, llama-bpe, qwen2), and
/// tokenizer_config.json with the special tokens and the chat template. Empty where the file has no
/// tokenizer.
/// @throws Error{invalid_model} naming file and key when it is of a kind that is not known.
std::map<std::string, std::string> gguf_tokenizer_files(const GgufFile& file);

/// The reverse: `tokenizer.*` keys from such files, padded to `vocabulary` tokens. Empty when there
/// is neither tokenizer.model nor tokenizer.json.
/// @throws Error{invalid_model} when the tokenizer is of a kind that GGUF has no name for here.
GgufMetadata gguf_tokenizer_metadata(const std::map<std::string, std::string>& files,
                                     int64_t vocabulary);

}  // namespace vila::formats
