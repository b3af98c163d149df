// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vila::text {

using TokenId = int32_t;

/// How encode() treats the beginning and text that spells a special token.
struct EncodeOptions {
  bool add_bos = true;        // put the BOS id in front, where the tokenizer has one
  bool parse_special = true;  // "</s>" in the text becomes the one special id; else plain pieces
};

/// Text to ids and back. Immutable after loading, thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual std::vector<TokenId> encode(std::string_view text,
                                      const EncodeOptions& options = {}) const = 0;

  /// Decoded text. Bytes of byte-fallback pieces come out raw: the text may end in an unfinished
  /// UTF-8 sequence, which Detokenizer holds back. Ids out of range are skipped.
  virtual std::string decode(std::span<const TokenId> ids, bool skip_special = true) const = 0;

  /// Malformed bytes of a decoded text as U+FFFD: each of them (SentencePiece), or one for each
  /// maximal malformed part (byte-level BPE).
  virtual std::string replace_malformed(std::string_view bytes) const = 0;

  /// The raw piece of an id ("▁hello", "<0x0A>"); empty when out of range.
  virtual std::string piece(TokenId id) const = 0;

  /// Id of an added or special token with that spelling; -1: none.
  virtual TokenId token_id(std::string_view content) const = 0;

  virtual int64_t vocab_size() const = 0;
  virtual TokenId bos_id() const = 0;  // -1: none
  virtual TokenId eos_id() const = 0;
  virtual TokenId unk_id() const = 0;
  virtual TokenId pad_id() const = 0;
  virtual bool is_special(TokenId id) const = 0;
};

/// Loads the tokenizer of a checkpoint folder (from its llm/ where there is one), or a
/// `tokenizer.model` or `tokenizer.json` file itself. A tokenizer.model goes before a
/// tokenizer.json, which must be a byte-level BPE (text/byte_bpe.h). The
/// SentencePiece Llama tokenizer behaves as transformers' slow LlamaTokenizer with `legacy` as in
/// tokenizer_config.json (false where the file is absent: what VILA uses).
/// @throws Error{not_found | invalid_model} naming the file.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& folder_or_file);

}  // namespace vila::text
