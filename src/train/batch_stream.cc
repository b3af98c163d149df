// SPDX-License-Identifier: Apache-2.0
#include "train/batch_stream.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace vila::train {
namespace {

constexpr int64_t kLengthProbes = 512;

}  // namespace

BatchStream::BatchStream(std::unique_ptr<const data::Mixture> mixture, const EncodeOptions& options,
                         int64_t tokens_per_batch)
    : mixture_(std::move(mixture)), options_(options), tokens_per_batch_(tokens_per_batch) {
  if (mixture_->size() == 0) fail(ErrorCode::invalid_data, "the data sets of the recipe are empty");
}

PackedBatch BatchStream::next(Cursor& cursor) {
  std::vector<EncodedSample> samples;
  int64_t rows = 0;
  // Samples without rows or targets would never fill a batch: give up after an epoch of them.
  const int64_t last = cursor.position + mixture_->size();
  for (; cursor.position <= last; ++cursor.position, cursor.piece = 0) {
    std::vector<EncodedSample> pieces = encode_sample(mixture_->at(cursor.position), options_);
    for (; cursor.piece < static_cast<int64_t>(pieces.size()); ++cursor.piece) {
      EncodedSample& piece = pieces[static_cast<size_t>(cursor.piece)];
      if (piece.rows() == 0) continue;
      if (rows + piece.rows() > tokens_per_batch_) return pack(samples);
      rows += piece.rows();
      samples.push_back(std::move(piece));
    }
  }
  if (samples.empty()) fail(ErrorCode::invalid_data, "the data sets of the recipe hold no text");
  return pack(samples);
}

double BatchStream::batches_per_epoch() const {
  const int64_t probes = std::min(kLengthProbes, mixture_->size());
  int64_t rows = 0;
  for (int64_t i = 0; i < probes; ++i) {
    for (const EncodedSample& piece :
         encode_sample(mixture_->at(i * mixture_->size() / probes), options_)) {
      rows += piece.rows();
    }
  }
  const double per_sample = static_cast<double>(rows) / static_cast<double>(probes);
  return std::max(1.0, per_sample * static_cast<double>(mixture_->size()) /
                           static_cast<double>(tokens_per_batch_));
}

std::vector<data::ImageSource> all_images(const data::Dataset& dataset) {
  std::vector<data::ImageSource> images;
  if (dataset.kind() == data::Kind::text) return images;
  for (int64_t row = 0; row < dataset.size(); ++row) {
    const data::Sample sample = dataset.at(row);
    images.insert(images.end(), sample.images.begin(), sample.images.end());
  }
  return images;
}

}  // namespace vila::train
