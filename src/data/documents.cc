// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/json_row.h"
#include "data/row_parser.h"
#include "spec/prompt.h"

namespace vila::data {
namespace {

constexpr size_t kMaxImages = 6;

struct PlacedImage {
  ImageSource source;
  int64_t sentence = 0;
};

std::vector<std::string> read_sentences(const Json& row, const RowContext& context) {
  std::vector<std::string> sentences;
  for (const Json& sentence : require_array(row, "text_list", context)) {
    if (!sentence.is_string()) {
      fail(ErrorCode::invalid_data, "{}: \"text_list\"[{}]: expected a string, found {}",
           context.where, sentences.size(), sentence.type_name());
    }
    sentences.push_back(sentence.get<std::string>());
  }
  return sentences;
}

PlacedImage read_image(const Json& info, size_t sentences, const RowContext& context) {
  require_object(info, context);
  const auto name = info.find("image_name");
  const auto index = info.find("matched_text_index");
  if (index == info.end() || !index->is_number_integer()) {
    fail(ErrorCode::invalid_data, "{}: \"image_info\": expected an integer \"matched_text_index\"",
         context.where);
  }
  const auto sentence = index->get<int64_t>();
  if (sentence < 0 || sentence >= static_cast<int64_t>(sentences)) {
    fail(ErrorCode::invalid_data,
         "{}: \"matched_text_index\": expected 0 to {} (\"text_list\" has {} sentences), found {}",
         context.where, static_cast<int64_t>(sentences) - 1, sentences, sentence);
  }
  return {require_image(name == info.end() ? Json() : *name, "image_name", context), sentence};
}

}  // namespace

// LazyMMC4Dataset.__getitem__ of llava/data/dataset.py (F24): the first six images in the order of
// the file, then in the order of their sentences.
Sample parse_document(const Json& row, const RowContext& context) {
  require_object(row, context);
  Sample sample;
  sample.kind = Kind::documents;
  sample.id = optional_text(row, row.contains("id") ? "id" : "url", context);
  sample.label = optional_text(row, "concept", context);
  const std::vector<std::string> sentences = read_sentences(row, context);
  std::vector<PlacedImage> images;
  for (const Json& info : require_array(row, "image_info", context)) {
    if (images.size() == kMaxImages) break;
    images.push_back(read_image(info, sentences.size(), context));
  }
  std::ranges::stable_sort(images, {}, &PlacedImage::sentence);
  std::vector<int64_t> places;
  for (PlacedImage& image : images) {
    places.push_back(image.sentence);
    sample.images.push_back(std::move(image.source));
  }
  sample.text = spec::document_text(sentences, places);
  return sample;
}

}  // namespace vila::data
