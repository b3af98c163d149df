// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_merger.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "text/protobuf_fields.h"

namespace vila::text {
namespace {

constexpr char32_t kBlank = U'\u2581';  // SentencePiece's mark for a blank

// Fields of sentencepiece_model.proto.
constexpr uint64_t kPieces = 1;
constexpr uint64_t kTrainerSpec = 2;
constexpr uint64_t kByteFallback = 35;

/// ModelProto.SentencePiece.Type.
enum class Kind { normal = 1, unknown, control, user_defined, unused, byte };

struct Piece {
  std::string_view spelling;
  float score = 0;
  Kind kind = Kind::normal;
};

Piece read_piece(std::string_view message) {
  Piece piece;
  for (ProtobufFields field(message); field.next();) {
    if (field.number == 1) piece.spelling = field.bytes;
    if (field.number == 2 && field.bytes.size() == sizeof(float))
      std::memcpy(&piece.score, field.bytes.data(), sizeof(float));
    if (field.number == 3) piece.kind = static_cast<Kind>(field.value);
  }
  return piece;
}

/// The vocabulary, by id.
struct Vocabulary {
  std::vector<Piece> pieces;
  bool has_byte_fallback = false;
};

Vocabulary read_vocabulary(std::string_view model) {
  Vocabulary vocabulary;
  for (ProtobufFields part(model); part.next();) {
    if (part.number == kPieces) vocabulary.pieces.push_back(read_piece(part.bytes));
    if (part.number != kTrainerSpec) continue;
    for (ProtobufFields field(part.bytes); field.next();)
      if (field.number == kByteFallback) vocabulary.has_byte_fallback = field.value != 0;
  }
  return vocabulary;
}

/// The byte of a piece such as "<0x0A>"; -1: it spells none.
int byte_of(std::string_view spelling) {
  int byte = -1;
  if (spelling.size() != 6 || !spelling.starts_with("<0x")) return -1;
  const auto parsed = std::from_chars(spelling.data() + 3, spelling.data() + 5, byte, 16);
  return parsed.ptr == spelling.data() + 5 ? byte : -1;
}

/// Ids of the 256 bytes; empty where the model has no byte fallback or lacks one of them.
std::vector<TokenId> byte_ids(const Vocabulary& vocabulary) {
  if (!vocabulary.has_byte_fallback) return {};
  std::vector<TokenId> ids(256, -1);
  for (size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    const Piece& piece = vocabulary.pieces[id];
    const int byte = piece.kind == Kind::byte ? byte_of(piece.spelling) : -1;
    if (byte >= 0) ids[static_cast<size_t>(byte)] = static_cast<TokenId>(id);
  }
  return std::ranges::count(ids, -1) == 0 ? ids : std::vector<TokenId>{};
}

/// Each piece's place among all scores, the highest 0; equal scores share one.
std::vector<int32_t> ranks_of(const std::vector<Piece>& pieces) {
  std::vector<float> scores;
  for (const Piece& piece : pieces)
    scores.push_back(piece.score);
  std::ranges::sort(scores, std::greater<>());
  std::vector<int32_t> ranks;
  for (const Piece& piece : pieces) {
    const auto place = std::ranges::lower_bound(scores, piece.score, std::greater<>());
    ranks.push_back(static_cast<int32_t>(place - scores.begin()));
  }
  return ranks;
}

using Ids = std::unordered_map<std::string_view, TokenId>;

/// Appends every way to make a piece of two others.
void append_merges(std::string_view spelling, const Ids& ids, int32_t rank,
                   std::vector<BpeMerger::Merge>& merges) {
  for (size_t cut = 1; cut < spelling.size(); ++cut) {
    const auto left = ids.find(spelling.substr(0, cut));
    const auto right = left == ids.end() ? left : ids.find(spelling.substr(cut));
    if (right != ids.end()) merges.push_back({left->second, right->second, ids.at(spelling), rank});
  }
}

}  // namespace

std::optional<SentencePieceMerger> SentencePieceMerger::read(std::string_view model) {
  const Vocabulary vocabulary = read_vocabulary(model);
  Ids ids;
  std::unordered_map<char32_t, TokenId> characters;
  for (size_t i = 0; i < vocabulary.pieces.size(); ++i) {
    const Piece& piece = vocabulary.pieces[i];
    if (piece.kind == Kind::user_defined || piece.kind == Kind::unused) return std::nullopt;
    if (piece.kind != Kind::normal) continue;
    if (!is_valid_utf8(piece.spelling)) return std::nullopt;
    const auto id = static_cast<TokenId>(i);
    if (!ids.emplace(piece.spelling, id).second) return std::nullopt;
    const std::vector<char32_t> spelled = decode_utf8(piece.spelling);
    if (spelled.size() == 1) characters.emplace(spelled.front(), id);
  }
  const std::vector<int32_t> ranks = ranks_of(vocabulary.pieces);
  std::vector<BpeMerger::Merge> merges;
  for (const auto& [spelling, id] : ids) {
    for (const char32_t character : decode_utf8(spelling))
      if (!characters.contains(character)) return std::nullopt;
    append_merges(spelling, ids, ranks[static_cast<size_t>(id)], merges);
  }
  return SentencePieceMerger(std::move(characters), byte_ids(vocabulary), merges);
}

SentencePieceMerger::SentencePieceMerger(std::unordered_map<char32_t, TokenId> characters,
                                         std::vector<TokenId> bytes,
                                         const std::vector<BpeMerger::Merge>& merges)
    : characters_(std::move(characters)), bytes_(std::move(bytes)), merger_({}, merges) {}

bool SentencePieceMerger::encode(std::string_view word, std::vector<TokenId>& ids) const {
  if (!is_valid_utf8(word) || word.find('\0') != std::string_view::npos) return false;
  const size_t begin = ids.size();
  std::vector<TokenId> symbols;
  std::string bytes;
  for (const char32_t spelled : decode_utf8(word)) {
    const auto known = characters_.find(spelled == U' ' ? kBlank : spelled);
    if (known != characters_.end()) {
      symbols.push_back(known->second);
      continue;
    }
    if (bytes_.empty()) {
      ids.resize(begin);
      return false;
    }
    // No piece holds it: nothing is joined over it.
    merger_.join(symbols, ids);
    symbols.clear();
    bytes.clear();
    append_utf8(bytes, spelled);
    for (const char byte : bytes)
      ids.push_back(bytes_[static_cast<unsigned char>(byte)]);
  }
  merger_.join(symbols, ids);
  return true;
}

}  // namespace vila::text
