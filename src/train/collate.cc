// SPDX-License-Identifier: Apache-2.0
#include "train/collate.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "data/labelling.h"

namespace vila::train {
namespace {

/// Cuts ids so that the spliced length is at most max_length, whole pictures only.
void cut(spec::LabelledIds& labelled, std::vector<data::ImageSource>& images,
         const EncodeOptions& options) {
  int64_t rows = 0;
  int64_t pictures = 0;
  size_t keep = 0;
  for (; keep < labelled.ids.size(); ++keep) {
    const bool is_image = labelled.ids[keep] == spec::kImageToken;
    rows += is_image ? options.tokens_per_image : 1;
    if (rows > options.max_length) break;
    pictures += is_image ? 1 : 0;
  }
  if (keep == labelled.ids.size()) return;
  labelled.ids.resize(keep);
  labelled.labels.resize(keep);
  images.resize(static_cast<size_t>(pictures));
}

std::vector<EncodedSample> text_pieces(const spec::LabelledIds& labelled, int64_t max_length) {
  std::vector<EncodedSample> pieces;
  const auto length = static_cast<int64_t>(labelled.ids.size());
  for (int64_t begin = 0; begin < length; begin += max_length) {
    const int64_t end = std::min(length, begin + max_length);
    if (end - begin < 2) break;
    EncodedSample piece;
    piece.ids.assign(labelled.ids.begin() + begin, labelled.ids.begin() + end);
    piece.labels.assign(labelled.labels.begin() + begin, labelled.labels.begin() + end);
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

}  // namespace

EncodedSample encode_ids(const spec::LabelledIds& labelled, std::vector<data::ImageSource> images,
                         const EncodeOptions& options) {
  const spec::Splice layout =
      spec::splice(labelled.ids, static_cast<int64_t>(images.size()), options.tokens_per_image, 0);
  EncodedSample sample;
  sample.images = std::move(images);
  sample.ids.assign(static_cast<size_t>(layout.length), 0);
  for (const spec::Segment& segment : layout.segments) {
    for (int64_t i = 0; i < segment.rows; ++i) {
      const int64_t row = segment.begin + i;
      if (segment.is_image) {
        sample.image_rows.push_back(row);
      } else {
        sample.ids[static_cast<size_t>(row)] =
            labelled.ids[static_cast<size_t>(segment.source + i)];
      }
    }
  }
  const auto labels = spec::splice_labels(layout, labelled.labels);
  sample.labels.assign(labels.begin(), labels.end());
  return sample;
}

std::vector<EncodedSample> encode_sample(const data::Sample& sample, const EncodeOptions& options) {
  return with_context("sample " + sample.id, [&] {
    spec::LabelledIds labelled = data::label_sample(sample, {.tokenizer = options.tokenizer,
                                                             .chat_template = options.chat_template,
                                                             .is_plain = options.is_plain});
    if (sample.images.empty() && sample.kind == data::Kind::text) {
      return text_pieces(labelled, options.max_length);
    }
    std::vector<data::ImageSource> images = sample.images;
    cut(labelled, images, options);
    std::vector<EncodedSample> encoded;
    encoded.push_back(encode_ids(labelled, std::move(images), options));
    return encoded;
  });
}

PackedBatch pack(std::span<const EncodedSample> samples, Border border) {
  PackedBatch batch;
  batch.starts.push_back(0);
  for (const EncodedSample& sample : samples) {
    const int64_t start = batch.rows();
    if (border == Border::next_label && start > 0) batch.targets.back() = sample.labels.front();
    batch.ids.insert(batch.ids.end(), sample.ids.begin(), sample.ids.end());
    batch.targets.insert(batch.targets.end(), sample.labels.begin() + 1, sample.labels.end());
    batch.targets.push_back(spec::kIgnoreLabel);
    for (int64_t i = 0; i < sample.rows(); ++i)
      batch.positions.push_back(i);
    for (const int64_t row : sample.image_rows)
      batch.image_rows.push_back(start + row);
    batch.images.insert(batch.images.end(), sample.images.begin(), sample.images.end());
    batch.starts.push_back(batch.rows());
  }
  return batch;
}

void append(PackedBatch& batch, const PackedBatch& other) {
  const int64_t shift = batch.rows();
  const auto extend = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  extend(batch.ids, other.ids);
  extend(batch.targets, other.targets);
  extend(batch.positions, other.positions);
  extend(batch.images, other.images);
  for (size_t i = 1; i < other.starts.size(); ++i)
    batch.starts.push_back(shift + other.starts[i]);
  for (const int64_t row : other.image_rows)
    batch.image_rows.push_back(shift + row);
}

}  // namespace vila::train
