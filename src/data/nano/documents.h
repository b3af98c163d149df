// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/nano/gallery.h"

namespace vila::data::nano {

/// One interleaved document in MMC4's form: a picture stands in front of its sentence. A value.
class Document {
 public:
  explicit Document(std::string id) : id_(std::move(id)) {}

  /// The picture stands in front of the next sentence that is added.
  void add_picture(const std::string& image);

  void add_sentence(std::string sentence) { sentences_.push_back(std::move(sentence)); }

  int64_t picture_count() const { return static_cast<int64_t>(images_.size()); }

  /// {"id", "text_list", "image_info": [{"image_name", "matched_text_index"}]}
  /// @pre a sentence follows the last picture
  std::string to_line() const;

 private:
  struct Placed {
    std::string image;
    size_t sentence;
  };

  std::string id_;
  std::vector<std::string> sentences_;
  std::vector<Placed> images_;
};

/// VILA reads at most so many pictures of one document (spec of the published code).
inline constexpr int64_t kMostPictures = 6;

/// The words that in-context documents use and those that only the test uses: none is English.
struct MadeUpWords {
  std::vector<std::string> training;
  std::vector<std::string> test;
};

/// Splits pronounceable words that are none of `taken` among training and test, by seed; no word is
/// in both.
MadeUpWords made_up_word_split(std::span<const std::string> taken, uint64_t seed);

/// What in-context documents look like. A value.
struct InContextForm {
  int64_t meanings = 2;  ///< made-up words, each shown once before the queries
  int64_t queries = 1;   ///< further pictures, each of one of the meanings
  bool is_spaced =
      true;  ///< "<image> is a blick. <image> …" or, as MMC4's reader writes it, without
};

/// "<image> is a blick. <image> is a dax. <image> is a blick.": the queries show what a word stood
/// for in another drawing.
Document in_context_document(const std::string& id, const Gallery& gallery,
                             std::span<const std::string> words, const InContextForm& form,
                             Random& random);

}  // namespace vila::data::nano
