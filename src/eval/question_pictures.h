// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/fingerprint.h"
#include "eval/data_folder.h"
#include "eval/model.h"
#include "eval/task.h"
#include "media/image.h"

namespace vila::eval {

/// Decoded pictures by content, kept from one benchmark to the next: COCO's and Visual Genome's are
/// in several of them under different names, and an engine that gets the same pointer encodes the
/// picture once. Forgets those not used for longest above `max_bytes` of pixels. One thread.
class PictureStore {
 public:
  explicit PictureStore(size_t max_bytes = size_t{256} << 20) : max_bytes_(max_bytes) {}

  /// @throws Error{invalid_image} naming `source`.
  std::shared_ptr<const media::Image> decode(std::string_view encoded, const std::string& source);

  /// How many pictures have been decoded: not those that were here already.
  int64_t decoded() const { return decoded_; }

 private:
  using Entry = std::pair<data::Fingerprint, std::shared_ptr<const media::Image>>;

  std::list<Entry> entries_;  // the one used last is in front
  std::map<data::Fingerprint, std::list<Entry>::iterator> by_content_;
  size_t bytes_ = 0;
  size_t max_bytes_;
  int64_t decoded_ = 0;
};

/// The pictures of a benchmark's questions. A view of the folder and the store; one thread.
class QuestionPictures {
 public:
  QuestionPictures(const DataFolder& data, PictureStore& store) : data_(data), store_(store) {}

  /// In the order of the question's "<image>"; empty for a question without any.
  /// @throws Error{not_found | invalid_image | invalid_data} naming the question's row.
  std::vector<std::shared_ptr<const media::Image>> load(const Question& question);

  /// Its video, none or one. Nothing is decoded.
  std::vector<PromptVideo> videos(const Question& question) const;

 private:
  std::shared_ptr<const media::Image> load_one(const PictureSource& source, const std::string& row);

  const DataFolder& data_;
  PictureStore& store_;
  // The last few by name, so that questions in a row about one picture read it once.
  std::list<std::pair<std::string, std::shared_ptr<const media::Image>>> recent_;
};

/// Where the pictures of a question come from: `pictures`, or the one `image`.
std::vector<PictureSource> picture_sources(const Question& question);

/// The encoded file. @throws Error{not_found | invalid_data} naming `row`.
std::string picture_bytes(const PictureSource& source, const DataFolder& data,
                          const std::string& row);

/// RFC 4648. @throws Error{invalid_data} naming `source`
std::string decode_base64(std::string_view text, const std::string& source);

}  // namespace vila::eval
