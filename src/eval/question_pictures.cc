// SPDX-License-Identifier: Apache-2.0
#include "eval/question_pictures.h"

#include <algorithm>
#include <span>

#include "base/error.h"
#include "base/file.h"
#include "media/decode.h"

namespace vila::eval {
namespace {

constexpr size_t kRecentPictures = 32;  // more than a batch holds

}  // namespace

std::string decode_base64(std::string_view text, const std::string& source) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=' || c == '\n' || c == '\r') continue;
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) {
      fail(ErrorCode::invalid_data, "{}: expected a picture in base64, found '{}' in it", source,
           c);
    }
    bits = bits << 6 | static_cast<uint32_t>(value);
    if (++count == 4) {
      for (int shift = 16; shift >= 0; shift -= 8)
        bytes += static_cast<char>(bits >> shift & 0xFF);
      bits = 0;
      count = 0;
    }
  }
  if (count >= 2) bytes += static_cast<char>(bits >> (count == 2 ? 4 : 10) & 0xFF);
  if (count == 3) bytes += static_cast<char>(bits >> 2 & 0xFF);
  return bytes;
}

std::vector<PictureSource> picture_sources(const Question& question) {
  if (!question.pictures.empty()) return question.pictures;
  if (question.image.empty() && question.image_bytes.empty()) return {};
  return {{.file = question.image, .base64 = question.image_bytes, .frames = 0}};
}

std::string picture_bytes(const PictureSource& source, const DataFolder& data,
                          const std::string& row) {
  if (!source.base64.empty()) return decode_base64(source.base64, row);
  return read_file(data.picture(source.file, row));
}

std::shared_ptr<const media::Image> PictureStore::decode(std::string_view encoded,
                                                         const std::string& source) {
  const data::Fingerprint content = data::fingerprint(encoded);
  if (const auto found = by_content_.find(content); found != by_content_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front().second;
  }
  auto image = std::make_shared<const media::Image>(
      media::decode_image(std::as_bytes(std::span(encoded)), source));
  ++decoded_;
  bytes_ += image->pixels.size();
  entries_.emplace_front(content, image);
  by_content_[content] = entries_.begin();
  while (bytes_ > max_bytes_ && entries_.size() > 1) {
    bytes_ -= entries_.back().second->pixels.size();
    by_content_.erase(entries_.back().first);
    entries_.pop_back();
  }
  return image;
}

std::shared_ptr<const media::Image> QuestionPictures::load_one(const PictureSource& source,
                                                               const std::string& row) {
  const std::string& name = source.base64.empty() ? source.file : source.base64;
  const auto found = std::find_if(recent_.begin(), recent_.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  if (found != recent_.end()) return found->second;
  auto image = store_.decode(picture_bytes(source, data_, row), row);
  recent_.emplace_front(name, image);
  if (recent_.size() > kRecentPictures) recent_.pop_back();
  return image;
}

std::vector<PromptVideo> QuestionPictures::videos(const Question& question) const {
  if (question.video.empty()) return {};
  return {{.file = data_.root() / question.video,
           .frames = question.video_frames,
           .part = question.video_part}};
}

std::vector<std::shared_ptr<const media::Image>> QuestionPictures::load(const Question& question) {
  std::vector<std::shared_ptr<const media::Image>> images;
  for (const PictureSource& source : picture_sources(question))
    images.push_back(load_one(source, question.row));
  return images;
}

}  // namespace vila::eval
