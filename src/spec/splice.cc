// SPDX-License-Identifier: Apache-2.0
#include "spec/splice.h"

#include <algorithm>

#include "base/error.h"

namespace vila::spec {
namespace {

void append(Splice& layout, bool is_image, int64_t rows, int64_t source) {
  if (rows == 0) return;
  layout.segments.push_back({is_image, layout.length, rows, source});
  layout.length += rows;
}

void check_limits(const Splice& layout, int64_t images, int64_t max_length) {
  if (layout.images != images) {
    fail(ErrorCode::invalid_argument,
         "prompt: expected one <image> for each picture, found {} <image> and {} picture(s)",
         layout.images, images);
  }
  if (max_length > 0 && layout.length > max_length) {
    fail(ErrorCode::invalid_argument,
         "prompt: expected at most {} positions, found {}; shorten the text or give fewer pictures",
         max_length, layout.length);
  }
}

}  // namespace

Splice splice(std::span<const text::TokenId> ids, std::span<const int64_t> media_rows,
              int64_t max_length) {
  Splice layout;
  int64_t text_begin = 0;
  const auto count = static_cast<int64_t>(media_rows.size());
  for (int64_t i = 0; i < std::ssize(ids); ++i) {
    if (!is_media_token(ids[static_cast<size_t>(i)])) continue;
    append(layout, false, i - text_begin, text_begin);
    const int64_t rows = layout.images < count ? media_rows[static_cast<size_t>(layout.images)] : 0;
    append(layout, true, rows, layout.images);
    ++layout.images;
    text_begin = i + 1;
  }
  append(layout, false, std::ssize(ids) - text_begin, text_begin);
  check_limits(layout, count, max_length);
  return layout;
}

Splice splice(std::span<const text::TokenId> ids, int64_t images, int64_t tokens_per_image,
              int64_t max_length) {
  const std::vector<int64_t> rows(static_cast<size_t>(images), tokens_per_image);
  return splice(ids, rows, max_length);
}

std::vector<text::TokenId> splice_labels(const Splice& layout,
                                         std::span<const text::TokenId> labels) {
  std::vector<text::TokenId> rows(static_cast<size_t>(layout.length), kIgnoreLabel);
  for (const Segment& segment : layout.segments) {
    if (segment.is_image) continue;
    const auto source =
        labels.subspan(static_cast<size_t>(segment.source), static_cast<size_t>(segment.rows));
    std::ranges::copy(source, rows.begin() + segment.begin);
  }
  return rows;
}

}  // namespace vila::spec
