// SPDX-License-Identifier: Apache-2.0
#include "text/byte_bpe.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/bpe_merger.h"
#include "text/byte_letters.h"
#include "text/text_splitter.h"

namespace vila::text {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxId = int64_t{1} << 24;
// Words that are remembered from text to text, so that frequent ones are merged once.
constexpr size_t kMaxRemembered = 65536;
constexpr size_t kMaxWord = 64;  // bytes of one that is remembered

/// What ByteLevel with use_regex splits by: GPT-2's pattern.
constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kDigit = R"(\p{N})";

/// A tokenizer.json taken apart.
class Description {
 public:
  explicit Description(const fs::path& file)
      : source_(file.string()), root_(read_json_file(file, ErrorCode::invalid_model)) {
    expect(root_.is_object() && root_.contains("model") && root_["model"].is_object(), "model",
           "an object");
    read_normaliser(member(root_, "normalizer"));
    read_pre_tokeniser(member(root_, "pre_tokenizer"));
    read_post_processor(member(root_, "post_processor"));
    read_model(root_["model"]);
    read_added();
  }

  bool is_composed = false;     // NFC
  bool adds_blank = false;      // ByteLevel's add_prefix_space
  bool ignores_merges = false;  // a word that is a token stays whole
  std::vector<std::string> patterns;
  std::vector<std::string> begin_tokens;  // what the post-processor puts in front
  std::unordered_map<std::string, TokenId> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<AddedToken> added;

 private:
  static const Json& member(const Json& object, const char* key) {
    static const Json none;
    const auto found = object.find(key);
    return found == object.end() ? none : *found;
  }

  void expect(bool holds, const char* key, const char* expected) const {
    if (holds) return;
    fail(ErrorCode::invalid_model, "{}: \"{}\": expected {}; this is no byte-level BPE", source_,
         key, expected);
  }

  static std::string type_of(const Json& step) {
    return step.is_object() ? step.value("type", "") : std::string();
  }

  /// A step, or those of a Sequence under `key`.
  static std::vector<Json> steps_of(const Json& step, const char* key) {
    if (step.is_null()) return {};
    if (type_of(step) != "Sequence") return {step};
    const Json& list = member(step, key);
    return list.is_array() ? std::vector<Json>(list.begin(), list.end()) : std::vector<Json>{};
  }

  void read_normaliser(const Json& normaliser) {
    for (const Json& step : steps_of(normaliser, "normalizers")) {
      expect(type_of(step) == "NFC", "normalizer", "none or NFC");
      is_composed = true;
    }
  }

  void read_pre_tokeniser(const Json& pre_tokeniser) {
    bool is_byte_level = false;
    for (const Json& step : steps_of(pre_tokeniser, "pretokenizers")) {
      const std::string type = type_of(step);
      if (type == "Split") {
        const Json& regex = member(member(step, "pattern"), "Regex");
        expect(regex.is_string() && member(step, "behavior") == "Isolated" &&
                   member(step, "invert") != true,
               "pre_tokenizer", "a Split by an isolated Regex");
        patterns.push_back(regex.get<std::string>());
      } else if (type == "Digits") {
        expect(member(step, "individual_digits") == true, "pre_tokenizer", "individual digits");
        patterns.emplace_back(kDigit);
      } else {
        expect(type == "ByteLevel", "pre_tokenizer", "Split, Digits or ByteLevel");
        is_byte_level = true;
        adds_blank = member(step, "add_prefix_space") == true;
        if (member(step, "use_regex") != false) patterns.emplace_back(kGpt2Pattern);
      }
    }
    expect(is_byte_level, "pre_tokenizer", "ByteLevel");
  }

  void read_post_processor(const Json& processor) {
    for (const Json& step : steps_of(processor, "processors")) {
      if (type_of(step) != "TemplateProcessing") continue;
      for (const Json& part : member(step, "single")) {
        const Json& token = member(part, "SpecialToken");
        if (token.is_null()) return;  // the text: nothing of VILA's stands behind it
        expect(member(token, "id").is_string(), "post_processor", "tokens by name");
        begin_tokens.push_back(member(token, "id").get<std::string>());
      }
    }
  }

  void read_model(const Json& model) {
    expect(member(model, "type") == "BPE" || member(model, "type").is_null(), "model.type", "BPE");
    expect(member(model, "byte_fallback") != true, "model.byte_fallback", "false");
    ignores_merges = member(model, "ignore_merges") == true;
    const Json& words = member(model, "vocab");
    expect(words.is_object() && !words.empty(), "model.vocab", "tokens and their ids");
    for (const auto& [word, id] : words.items()) {
      expect(id.is_number_integer() && id >= 0 && id < kMaxId, "model.vocab", "ids");
      vocabulary.emplace(word, id.get<TokenId>());
    }
    const Json& pairs = member(model, "merges");
    expect(pairs.is_array(), "model.merges", "a list");
    for (const Json& pair : pairs)
      merges.push_back(read_merge(pair));
  }

  /// "a b" or, in later files, ["a", "b"].
  std::pair<std::string, std::string> read_merge(const Json& pair) const {
    if (pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string()) {
      return {pair[0].get<std::string>(), pair[1].get<std::string>()};
    }
    const std::string text = pair.is_string() ? pair.get<std::string>() : std::string();
    const size_t blank = text.find(' ');
    expect(blank != std::string::npos, "model.merges", "pairs of tokens");
    return {text.substr(0, blank), text.substr(blank + 1)};
  }

  void read_added() {
    const Json& list = member(root_, "added_tokens");
    if (list.is_null()) return;
    expect(list.is_array(), "added_tokens", "a list");
    for (const Json& token : list) {
      const Json& id = member(token, "id");
      const Json& content = member(token, "content");
      expect(id.is_number_integer() && id >= 0 && id < kMaxId && content.is_string(),
             "added_tokens", "tokens with id and content");
      added.push_back(
          {content.get<std::string>(), id.get<TokenId>(), member(token, "special") == true});
    }
  }

  std::string source_;
  Json root_;
};

struct WordHash {
  using is_transparent = void;

  size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
};

class ByteBpe final : public Tokenizer {
 public:
  ByteBpe(const Description& file, const ByteBpeOptions& options)
      : is_composed_(file.is_composed),
        adds_blank_(file.adds_blank),
        ignores_merges_(file.ignores_merges),
        splitter_(file.patterns),
        merger_(make_merger(file)) {
    read_pieces(file);
    read_added(file, options);
    bos_ = token_id(options.bos);
    eos_ = token_id(options.eos);
    unk_ = token_id(options.unk);
    pad_ = token_id(options.pad);
    for (const std::string& token : file.begin_tokens)
      begin_.push_back(token_id(token));
    std::erase(begin_, -1);
  }

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override {
    std::vector<TokenId> ids;
    if (options.add_bos) ids = begin_;
    const std::string sound = is_valid_utf8(text) ? std::string(text) : replace_invalid_utf8(text);
    std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    Remembered own;
    Remembered& remembered = lock.owns_lock() ? remembered_ : own;
    for (const TextPart& part : (options.parse_special ? added_ : plain_added_).split(sound)) {
      if (part.token != nullptr) {
        ids.push_back(part.token->id);
      } else {
        encode_part(part.text, remembered, ids);
      }
    }
    return ids;
  }

  std::string decode(std::span<const TokenId> ids, bool skip_special) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (skip_special && is_special(id)) continue;
      if (id >= 0 && id < std::ssize(bytes_)) text += bytes_[static_cast<size_t>(id)];
    }
    return text;
  }

  std::string replace_malformed(std::string_view bytes) const override {
    return replace_invalid_utf8(bytes);
  }

  std::string piece(TokenId id) const override {
    return id >= 0 && id < std::ssize(pieces_) ? pieces_[static_cast<size_t>(id)] : std::string();
  }

  TokenId token_id(std::string_view content) const override {
    const AddedToken* token = added_.find(content);
    return token == nullptr ? -1 : token->id;
  }

  int64_t vocab_size() const override { return std::ssize(pieces_); }

  TokenId bos_id() const override { return bos_; }

  TokenId eos_id() const override { return eos_; }

  TokenId unk_id() const override { return unk_; }

  TokenId pad_id() const override { return pad_; }

  bool is_special(TokenId id) const override {
    const AddedToken* token = added_.find(id);
    return token != nullptr && token->is_special;
  }

 private:
  using Remembered =
      std::unordered_map<std::string, std::vector<TokenId>, WordHash, std::equal_to<>>;

  static BpeMerger make_merger(const Description& file) {
    const ByteLetters letters;
    const auto id_of = [&](const std::string& piece) {
      const auto found = file.vocabulary.find(piece);
      return found == file.vocabulary.end() ? TokenId{-1} : found->second;
    };
    std::vector<TokenId> bytes;
    for (int byte = 0; byte < 256; ++byte)
      bytes.push_back(id_of(letters.letter(static_cast<uint8_t>(byte))));
    std::vector<BpeMerger::Merge> merges;
    for (const auto& [left, right] : file.merges) {
      const BpeMerger::Merge merge{id_of(left), id_of(right), id_of(left + right)};
      if (merge.left < 0 || merge.right < 0 || merge.joined < 0) {
        fail(ErrorCode::invalid_model,
             "tokenizer.json: \"model.merges\": expected pairs of the vocabulary, found \"{}\" and "
             "\"{}\"",
             left, right);
      }
      merges.push_back(merge);
    }
    return BpeMerger(std::move(bytes), merges);
  }

  void set_piece(TokenId id, const std::string& piece, const ByteLetters& letters) {
    const auto place = static_cast<size_t>(id);
    if (pieces_.size() <= place) {
      pieces_.resize(place + 1);
      bytes_.resize(place + 1);
    }
    pieces_[place] = piece;
    bytes_[place] = letters.bytes(piece).value_or(piece);
  }

  void read_pieces(const Description& file) {
    const ByteLetters letters;
    for (const auto& [piece, id] : file.vocabulary) {
      set_piece(id, piece, letters);
      if (ignores_merges_) whole_words_.emplace(bytes_[static_cast<size_t>(id)], id);
    }
  }

  void read_added(const Description& file, const ByteBpeOptions& options) {
    const ByteLetters letters;
    std::vector<AddedToken> all = file.added;
    all.insert(all.end(), options.added.begin(), options.added.end());
    std::vector<AddedToken> plain;
    for (const AddedToken& token : all) {
      set_piece(token.id, token.content, letters);
      if (!token.is_special) plain.push_back(token);
    }
    added_ = AddedTokens(std::move(all));
    plain_added_ = AddedTokens(std::move(plain));
  }

  void encode_part(std::string_view part, Remembered& remembered, std::vector<TokenId>& ids) const {
    std::string text = is_composed_ ? compose_nfc(part) : std::string(part);
    if (adds_blank_ && !text.starts_with(' ')) text.insert(0, 1, ' ');
    for (const std::string_view word : splitter_.split(text)) {
      if (word.size() > kMaxWord) {
        encode_word(word, ids);
        continue;
      }
      auto found = remembered.find(word);
      if (found == remembered.end()) {
        if (remembered.size() >= kMaxRemembered) remembered.clear();
        found = remembered.emplace(word, std::vector<TokenId>()).first;
        encode_word(word, found->second);
      }
      ids.insert(ids.end(), found->second.begin(), found->second.end());
    }
  }

  void encode_word(std::string_view word, std::vector<TokenId>& ids) const {
    const auto whole = whole_words_.find(word);
    if (whole != whole_words_.end()) {
      ids.push_back(whole->second);
    } else {
      merger_.encode(word, ids);
    }
  }

  bool is_composed_;
  bool adds_blank_;
  bool ignores_merges_;
  TextSplitter splitter_;
  BpeMerger merger_;
  std::vector<std::string> pieces_;  // by id, as the file spells them
  std::vector<std::string> bytes_;   // by id, what they decode to
  // Bytes of a token to it, with ignore_merges, else none; searched without a copy of the word.
  std::unordered_map<std::string, TokenId, WordHash, std::equal_to<>> whole_words_;
  // Of whoever holds the mutex; a thread that finds it taken remembers for its own text only.
  mutable std::mutex mutex_;
  mutable Remembered remembered_;
  AddedTokens added_;
  AddedTokens plain_added_;  // those that are not special
  std::vector<TokenId> begin_;
  TokenId bos_ = -1;
  TokenId eos_ = -1;
  TokenId unk_ = -1;
  TokenId pad_ = -1;
};

}  // namespace

std::unique_ptr<Tokenizer> load_byte_bpe(const fs::path& json_file, const ByteBpeOptions& options) {
  return std::make_unique<ByteBpe>(Description(json_file), options);
}

}  // namespace vila::text
