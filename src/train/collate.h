// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/sample.h"
#include "spec/splice.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/recipe.h"

namespace vila::train {

/// One sample as rows of the language model: pictures spliced in. A value.
struct EncodedSample {
  std::vector<int64_t> ids;         // per row; 0 where a picture's row stands
  std::vector<int64_t> labels;      // per row: what stands here as a target, or -100
  std::vector<int64_t> image_rows;  // rows of the pictures, tokens_per_image each, in order
  std::vector<data::ImageSource> images;

  int64_t rows() const { return static_cast<int64_t>(ids.size()); }
};

/// How samples become rows.
struct EncodeOptions {
  const text::Tokenizer* tokenizer = nullptr;
  const text::ChatTemplate* chat_template = nullptr;
  int64_t tokens_per_image = 0;
  int64_t max_length = 1024;
  bool is_plain = false;  // align: captions in the "plain" template
};

/// Rows and labels of a sample by the masks of spec/prompt.h. Text longer than max_length comes in
/// several pieces; a longer sample with pictures or turns is cut, and a picture that would be cut
/// takes what follows with it. @throws Error{invalid_data} for text that does not suit its
/// pictures.
std::vector<EncodedSample> encode_sample(const data::Sample& sample, const EncodeOptions& options);

/// The same from ids and labels that stand already (the reference's goldens).
EncodedSample encode_ids(const spec::LabelledIds& labelled, std::vector<data::ImageSource> images,
                         const EncodeOptions& options);

/// What the last row of a sample is trained on: nothing, or the first label of the sample packed
/// behind it, as the reference of February 2024 does (docs/training.md).
enum class Border { masked, next_label };

/// Samples one behind the other; attention stays within each, positions restart. A value.
struct PackedBatch {
  std::vector<int64_t> ids;
  std::vector<int64_t> targets;  // per row: the id that comes next, or -100
  std::vector<int64_t> positions;
  std::vector<int64_t> starts;  // first row of each sample, and the number of rows
  std::vector<int64_t> image_rows;
  std::vector<data::ImageSource> images;

  int64_t rows() const { return static_cast<int64_t>(ids.size()); }

  int64_t samples() const { return static_cast<int64_t>(starts.size()) - 1; }
};

/// Packs samples in the order given; their pictures follow in the same order.
PackedBatch pack(std::span<const EncodedSample> samples, Border border = Border::masked);

/// `other` behind `batch`, with a masked border between them.
void append(PackedBatch& batch, const PackedBatch& other);

}  // namespace vila::train
