// SPDX-License-Identifier: Apache-2.0
#include "formats/sentencepiece_model.h"

#include <cstring>
#include <span>

#include "base/error.h"
#include "formats/byte_cursor.h"

namespace vila::formats {
namespace {

/// Wire types of protobuf.
constexpr uint32_t kVarint = 0;
constexpr uint32_t kFixed64 = 1;
constexpr uint32_t kBytes = 2;
constexpr uint32_t kFixed32 = 5;

/// Fields of ModelProto, SentencePiece, TrainerSpec and NormalizerSpec.
constexpr uint32_t kPieces = 1;
constexpr uint32_t kTrainerSpec = 2;
constexpr uint32_t kNormalizerSpec = 3;
constexpr uint32_t kPieceText = 1;
constexpr uint32_t kPieceScore = 2;
constexpr uint32_t kPieceType = 3;
constexpr uint32_t kModelType = 3;
constexpr uint64_t kModelTypeBpe = 2;
constexpr uint32_t kVocabularySize = 4;
constexpr uint32_t kByteFallback = 35;
constexpr uint32_t kNormalizerName = 1;
constexpr uint32_t kAddDummyPrefix = 3;
constexpr uint32_t kRemoveExtraSpaces = 4;
constexpr uint32_t kEscapeSpaces = 5;

uint64_t read_varint(ByteCursor& cursor, const std::string& source) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = cursor.number<uint8_t>();
    value |= uint64_t{byte & 127U} << shift;
    if (byte < 128) return value;
  }
  fail(ErrorCode::invalid_model, "{}: expected a number of at most 64 bits, found more", source);
}

/// A field of a message: what its wire type says.
struct Field {
  uint32_t number = 0;
  uint64_t value = 0;                     // of varints and fixed numbers
  std::span<const std::byte> bytes = {};  // of messages and strings
};

Field read_field(ByteCursor& cursor, const std::string& source) {
  const uint64_t key = read_varint(cursor, source);
  Field field{.number = static_cast<uint32_t>(key >> 3)};
  switch (static_cast<uint32_t>(key & 7)) {
    case kVarint:
      field.value = read_varint(cursor, source);
      return field;
    case kFixed64:
      field.value = cursor.number<uint64_t>();
      return field;
    case kBytes:
      field.bytes = cursor.take(read_varint(cursor, source));
      return field;
    case kFixed32:
      field.value = cursor.number<uint32_t>();
      return field;
    default:
      fail(ErrorCode::invalid_model, "{}: expected a SentencePiece model, found wire type {}",
           source, key & 7);
  }
}

SentencePiece read_piece(std::span<const std::byte> bytes, const std::string& source) {
  SentencePiece piece;
  ByteCursor cursor(bytes, source);
  while (cursor.left() > 0) {
    const Field field = read_field(cursor, source);
    if (field.number == kPieceText) {
      piece.text.assign(reinterpret_cast<const char*>(field.bytes.data()), field.bytes.size());
    } else if (field.number == kPieceScore) {
      const auto bits = static_cast<uint32_t>(field.value);
      std::memcpy(&piece.score, &bits, sizeof(bits));
    } else if (field.number == kPieceType) {
      if (field.value < 1 || field.value > 6) {
        fail(ErrorCode::invalid_model, "{}: expected the type of a piece, found {}", source,
             field.value);
      }
      piece.type = static_cast<PieceType>(field.value);
    }
  }
  return piece;
}

void put_varint(std::string& bytes, uint64_t value) {
  for (; value >= 128; value >>= 7)
    bytes += static_cast<char>(value | 128);
  bytes += static_cast<char>(value);
}

void put_number(std::string& bytes, uint32_t field, uint64_t value) {
  put_varint(bytes, field << 3 | kVarint);
  put_varint(bytes, value);
}

void put_bytes(std::string& bytes, uint32_t field, std::string_view content) {
  put_varint(bytes, field << 3 | kBytes);
  put_varint(bytes, content.size());
  bytes += content;
}

std::string piece_message(const SentencePiece& piece) {
  std::string message;
  put_bytes(message, kPieceText, piece.text);
  put_varint(message, kPieceScore << 3 | kFixed32);
  message.append(reinterpret_cast<const char*>(&piece.score), sizeof(piece.score));
  put_number(message, kPieceType, static_cast<uint64_t>(piece.type));
  return message;
}

}  // namespace

std::vector<SentencePiece> read_sentencepiece(std::string_view model, const std::string& source) {
  std::vector<SentencePiece> pieces;
  ByteCursor cursor(std::as_bytes(std::span(model)), source);
  while (cursor.left() > 0) {
    const Field field = read_field(cursor, source);
    if (field.number == kPieces) pieces.push_back(read_piece(field.bytes, source));
  }
  return pieces;
}

std::string write_sentencepiece(const std::vector<SentencePiece>& pieces) {
  std::string model;
  for (const SentencePiece& piece : pieces)
    put_bytes(model, kPieces, piece_message(piece));
  std::string trainer;
  put_number(trainer, kModelType, kModelTypeBpe);
  put_number(trainer, kVocabularySize, pieces.size());
  put_number(trainer, kByteFallback, 1);
  put_bytes(model, kTrainerSpec, trainer);
  std::string normalizer;
  put_bytes(normalizer, kNormalizerName, "identity");
  put_number(normalizer, kAddDummyPrefix, 1);
  put_number(normalizer, kRemoveExtraSpaces, 0);
  put_number(normalizer, kEscapeSpaces, 1);
  put_bytes(model, kNormalizerSpec, normalizer);
  return model;
}

}  // namespace vila::formats
