// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "spec/prompt.h"

namespace vila::spec {

/// A run of rows in the spliced sequence: text ids, or the rows of one picture.
struct Segment {
  bool is_image = false;
  int64_t begin = 0;  // first row in the spliced sequence
  int64_t rows = 0;
  int64_t source = 0;  // first index into ids (text), or number of the picture (image)
};

/// Where every row of the model's input comes from: position p is simply row p.
struct Splice {
  std::vector<Segment> segments;
  int64_t length = 0;  // rows
  int64_t images = 0;
};

/// Lays out ids with placeholders (kImageToken, kVideoToken) and, for each of them in order, as
/// many rows as `media_rows` says.
/// @throws Error{invalid_argument} when the number of placeholders differs from that of
/// `media_rows`, or the
///         length exceeds `max_length` (0: no limit), naming both numbers.
Splice splice(std::span<const text::TokenId> ids, std::span<const int64_t> media_rows,
              int64_t max_length);

/// The same for `images` pictures of `tokens_per_image` rows each.
Splice splice(std::span<const text::TokenId> ids, int64_t images, int64_t tokens_per_image,
              int64_t max_length);

/// Labels of the spliced rows: kIgnoreLabel for each image row.
std::vector<text::TokenId> splice_labels(const Splice& layout,
                                         std::span<const text::TokenId> labels);

}  // namespace vila::spec
