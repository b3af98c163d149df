// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vila::formats {

/// What a piece of a SentencePiece vocabulary is; the numbers of its file and of GGUF's
/// `token_type`.
enum class PieceType : int32_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6,
};

/// One entry of the vocabulary. A value.
struct SentencePiece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::normal;
};

/// The pieces of a tokenizer.model. @throws Error{invalid_model} naming `source`.
/// Source: sentencepiece_model.proto of google/sentencepiece; the wire format of protobuf.
std::vector<SentencePiece> read_sentencepiece(std::string_view model, const std::string& source);

/// A tokenizer.model of these pieces: BPE with byte fallback and Llama's normalisation (a space in
/// front, nothing else changed).
std::string write_sentencepiece(const std::vector<SentencePiece>& pieces);

}  // namespace vila::formats
