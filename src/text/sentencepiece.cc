// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <sentencepiece_processor.h>

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "text/sentencepiece_words.h"

namespace vila::text {
namespace {

constexpr std::string_view kBlank = "\xE2\x96\x81";  // U+2581, SentencePiece's mark for a blank

/// `normalizer_spec { add_dummy_prefix: false }` of sentencepiece_model.proto on the wire: fields 3
/// and 3. Appending serialised fields to a message merges them into it, as transformers does with
/// MergeFrom for legacy=False.
constexpr std::string_view kNoDummyPrefix("\x1A\x02\x18\x00", 4);

/// U+FFFD for every byte that is part of no character, as SentencePiece decodes byte pieces.
std::string replace_bad_bytes(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    size_t length = 1;
    while (length < 4 && length < bytes.size() && !is_valid_utf8(bytes.substr(0, length)))
      ++length;
    if (is_valid_utf8(bytes.substr(0, length))) {
      text += bytes.substr(0, length);
    } else {
      length = 1;
      append_utf8(text, U'\uFFFD');
    }
    bytes.remove_prefix(length);
  }
  return text;
}

class LlamaTokenizer final : public Tokenizer {
 public:
  LlamaTokenizer(const std::filesystem::path& file, const LlamaTokenizerOptions& options)
      : is_legacy_(options.is_legacy),
        adds_bos_(options.adds_bos),
        adds_prefix_blank_(options.adds_prefix_blank) {
    load_model(file);
    added_ = AddedTokens(collect_added(options));
    bos_ = id_of(options.bos);
    eos_ = id_of(options.eos);
    unk_ = processor_.unk_id();
    pad_ = id_of(options.pad);
    named_ = {bos_, eos_, unk_, pad_};
    for (const std::string& name : options.additional)
      named_.push_back(id_of(name));
    unk_text_ = options.unk;
    unk_text_length_ = encode_plain(unk_text_).size();
  }

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override {
    std::vector<TokenId> ids;
    if (options.add_bos && adds_bos_ && bos_ >= 0) ids.push_back(bos_);
    if (text.empty()) return ids;
    const std::vector<TokenId> body = is_legacy_ ? encode_split(text, options.parse_special)
                                                 : encode_with_prefix(text, options.parse_special);
    ids.insert(ids.end(), body.begin(), body.end());
    return ids;
  }

  std::string decode(std::span<const TokenId> ids, bool skip_special) const override;

  std::string replace_malformed(std::string_view bytes) const override {
    return replace_bad_bytes(bytes);
  }

  std::string piece(TokenId id) const override {
    if (const AddedToken* token = added_.find(id)) return token->content;
    return is_in_model(id) ? processor_.IdToPiece(id) : std::string();
  }

  TokenId token_id(std::string_view content) const override {
    const AddedToken* token = added_.find(content);
    return token == nullptr ? -1 : token->id;
  }

  int64_t vocab_size() const override { return std::max(model_size_, added_.end_id()); }

  TokenId bos_id() const override { return bos_; }

  TokenId eos_id() const override { return eos_; }

  TokenId unk_id() const override { return unk_; }

  TokenId pad_id() const override { return pad_; }

  bool is_special(TokenId id) const override {
    const AddedToken* token = added_.find(id);
    return token != nullptr && token->is_special;
  }

 private:
  void load_model(const std::filesystem::path& file) {
    const std::string model = read_file(file);
    const std::string bare = model + std::string(kNoDummyPrefix);
    load_library(file, is_legacy_ ? model : bare);
    std::vector<std::string> pieces;
    for (TokenId id = 0; id < model_size_; ++id)
      pieces.push_back(processor_.IdToPiece(id));
    strips_first_blank_ = find_strips_first_blank();
    if (!SentencePieceWords::splits_into_words(bare, pieces)) return;
    words_ = std::make_unique<SentencePieceWords>(bare);
    if (!is_legacy_ || !SentencePieceWords::adds_prefix(model)) return;
    // The prefix is the text's, not every word's.
    prefix_ = " ";
    load_library(file, bare);
  }

  void load_library(const std::filesystem::path& file, const std::string& model) {
    const auto status = processor_.LoadFromSerializedProto(model);
    if (!status.ok() || processor_.GetPieceSize() == 0) {
      fail(ErrorCode::invalid_model,
           "{}: expected a SentencePiece model, found {} bytes that are none ({}); fetch the file "
           "again",
           file.string(), model.size(), status.ToString());
    }
    model_size_ = processor_.GetPieceSize();
  }

  /// The named special tokens and those of the config, ids resolved; unknown names are left out.
  std::vector<AddedToken> collect_added(const LlamaTokenizerOptions& options) const {
    std::vector<AddedToken> tokens;
    for (const std::string* name : {&options.unk, &options.bos, &options.eos, &options.pad}) {
      tokens.push_back({*name, -1, true});
    }
    tokens.insert(tokens.end(), options.added.begin(), options.added.end());
    for (AddedToken& token : tokens) {
      const TokenId known = model_id_of(token.content);
      if (token.id < 0 || known >= 0) token.id = known;
    }
    std::erase_if(tokens, [](const AddedToken& token) { return token.id < 0; });
    return tokens;
  }

  bool is_in_model(TokenId id) const { return id >= 0 && id < model_size_; }

  /// Id of a piece of the model, -1 when it has none.
  TokenId model_id_of(const std::string& content) const {
    const int id = processor_.PieceToId(content);
    return is_in_model(id) && processor_.IdToPiece(id) == content ? id : -1;
  }

  TokenId id_of(const std::string& content) const {
    const AddedToken* token = added_.find(content);
    return token == nullptr ? -1 : token->id;
  }

  /// Whether a token has a name in the config (transformers' all_special_tokens); merely being
  /// marked special does not make it one.
  bool is_named(TokenId id) const { return std::ranges::find(named_, id) != named_.end(); }

  std::vector<TokenId> encode_by_library(std::string_view text) const {
    std::vector<int> ids;
    const auto status = processor_.Encode(text, &ids);
    VILA_CHECK(status.ok(), "SentencePiece: {}", status.ToString());
    return ids;
  }

  std::vector<TokenId> encode_plain(std::string_view text) const {
    if (words_ == nullptr) return encode_by_library(text);
    const std::string prefixed = text.empty() ? std::string() : prefix_ + std::string(text);
    return words_->encode(prefixed, [this](std::string_view word, std::vector<int>& ids) {
      const std::vector<TokenId> own = encode_by_library(word);
      ids.insert(ids.end(), own.begin(), own.end());
    });
  }

  /// LlamaTokenizer._tokenize. SentencePiece strips a leading blank; the unknown token's spelling
  /// in front protects it, and its pieces are dropped again.
  std::vector<TokenId> encode_chunk(std::string_view text) const {
    if (is_legacy_ || !(text.starts_with(kBlank) || text.starts_with(' '))) {
      return encode_plain(text);
    }
    std::vector<TokenId> ids = encode_plain(unk_text_ + std::string(text));
    if (ids.size() >= unk_text_length_) {
      ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(unk_text_length_));
    }
    return ids;
  }

  std::vector<TokenId> encode_split(std::string_view text, bool parse_special) const {
    if (!parse_special) return encode_chunk(text);
    std::vector<TokenId> ids;
    for (const TextPart& part : added_.split(text)) {
      if (part.token != nullptr) {
        ids.push_back(part.token->id);
      } else {
        const std::vector<TokenId> chunk = encode_chunk(part.text);
        ids.insert(ids.end(), chunk.begin(), chunk.end());
      }
    }
    return ids;
  }

  /// LlamaTokenizer.tokenize with legacy=False: one blank in front, dropped again when it would
  /// stand alone before a named special token.
  std::vector<TokenId> encode_with_prefix(std::string_view text, bool parse_special) const {
    std::string prefixed = adds_prefix_blank_ ? std::string(kBlank) : std::string();
    prefixed += replace_all(text, kBlank, " ");
    std::vector<TokenId> ids = encode_split(prefixed, parse_special);
    if (ids.size() > 1 && is_named(ids[1]) && piece(ids[0]) == kBlank) ids.erase(ids.begin());
    return ids;
  }

  /// Whether the library drops the first blank when it decodes: asked of a piece, for the setting
  /// itself is not in its interface.
  bool find_strips_first_blank() const {
    for (TokenId id = 0; id < model_size_; ++id) {
      const std::string& candidate = processor_.IdToPiece(id);
      if (!candidate.starts_with(kBlank) || candidate.rfind(kBlank) != 0) continue;
      std::string text;
      const auto status = processor_.Decode(std::vector<int>{id}, &text);
      return status.ok() && !text.starts_with(' ');
    }
    return false;
  }

  class Decoding;
  std::string surface(TokenId id, std::string_view token) const;

  sentencepiece::SentencePieceProcessor processor_;
  std::unique_ptr<SentencePieceWords> words_;  // null: a text is encoded at once
  std::string prefix_;                         // of a text whose words are encoded
  bool is_legacy_;
  bool adds_bos_;
  bool adds_prefix_blank_;
  bool strips_first_blank_ = false;
  int64_t model_size_ = 0;
  AddedTokens added_;
  TokenId bos_ = -1;
  TokenId eos_ = -1;
  TokenId unk_ = -1;
  TokenId pad_ = -1;
  std::vector<TokenId> named_;
  std::string unk_text_;
  size_t unk_text_length_ = 0;
};

/// The byte of a piece such as "<0x0A>".
char byte_of(std::string_view piece) {
  unsigned value = 0;
  if (piece.size() == 6) std::from_chars(piece.data() + 3, piece.data() + 5, value, 16);
  return static_cast<char>(value);
}

/// SentencePieceProcessor::Decode for one piece, with raw bytes.
std::string LlamaTokenizer::surface(TokenId id, std::string_view token) const {
  if (!is_in_model(id)) return std::string(token);
  if (processor_.IsControl(id)) return {};
  if (processor_.IsByte(id)) return std::string(1, byte_of(token));
  return replace_all(token, kBlank, " ");
}

/// LlamaTokenizer.convert_tokens_to_string, one token at a time.
class LlamaTokenizer::Decoding {
 public:
  explicit Decoding(const LlamaTokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void add_special(std::string_view token) {
    // The reference puts this blank before the run of plain tokens that ends here.
    if (tokenizer_.is_legacy_ && position_ != 0 && !is_after_special_)
      text_.insert(run_begin_, 1, ' ');
    text_ += token;
    begin_run();
    is_after_special_ = true;
    ++position_;
  }

  void add(TokenId id, std::string_view token) {
    const bool has_blank = token.starts_with(kBlank);
    if (tokenizer_.adds_prefix_blank_ && position_ == 0 && has_blank) {
      token.remove_prefix(kBlank.size());
      id = tokenizer_.model_id_of(std::string(token));
    }
    if (tokenizer_.adds_prefix_blank_ && position_ == 1 && is_after_special_ && !has_blank) {
      text_ += ' ';
      begin_run();
    }
    text_ += tokenizer_.surface(id, strip_first_blank(id, token));
    is_after_special_ = false;
    ++position_;
  }

  std::string take() { return std::move(text_); }

 private:
  /// A run is what the reference hands to SentencePiece at once: the tokens between special ones.
  void begin_run() {
    run_begin_ = text_.size();
    may_strip_ = tokenizer_.strips_first_blank_;
  }

  std::string_view strip_first_blank(TokenId id, std::string_view token) {
    const bool is_run_start = may_strip_ && text_.size() == run_begin_;
    if (!is_run_start || !tokenizer_.is_in_model(id) || !token.starts_with(kBlank)) return token;
    may_strip_ = false;
    return token.substr(kBlank.size());
  }

  const LlamaTokenizer& tokenizer_;
  std::string text_;
  size_t run_begin_ = 0;
  int64_t position_ = 0;
  bool may_strip_ = tokenizer_.strips_first_blank_;
  bool is_after_special_ = false;
};

std::string LlamaTokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  Decoding decoding(*this);
  for (const TokenId id : ids) {
    const std::string token = piece(id);
    if (token.empty()) continue;
    if (!is_special(id)) {
      decoding.add(id, token);
    } else if (!skip_special) {
      decoding.add_special(token);
    }
  }
  return decoding.take();
}

}  // namespace

std::unique_ptr<Tokenizer> load_sentencepiece(const std::filesystem::path& model_file,
                                              const LlamaTokenizerOptions& options) {
  return std::make_unique<LlamaTokenizer>(model_file, options);
}

}  // namespace vila::text
