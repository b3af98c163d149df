// SPDX-License-Identifier: Apache-2.0
#include "engine/row_history.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace vila::engine {
namespace {

// The same memory, as pictures that were encoded once have, or the same bits.
bool is_same(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  return a.raw() == b.raw() || std::memcmp(a.raw(), b.raw(), a.nbytes()) == 0;
}

}  // namespace

RowHistory::RowHistory(std::span<const text::TokenId> ids, const spec::Splice& layout,
                       std::span<const Tensor> media)
    : media_(media.begin(), media.end()) {
  rows_.reserve(static_cast<size_t>(layout.length));
  for (const spec::Segment& segment : layout.segments) {
    for (int64_t i = 0; i < segment.rows; ++i) {
      if (segment.is_image) {
        rows_.push_back({static_cast<int32_t>(segment.source), static_cast<int32_t>(i)});
      } else {
        rows_.push_back({kNoMedia, ids[static_cast<size_t>(segment.source + i)]});
      }
    }
  }
}

void RowHistory::truncate(int64_t size) {
  VILA_CHECK(size >= 0 && size <= this->size());
  rows_.resize(static_cast<size_t>(size));
}

int64_t RowHistory::common_prefix(const RowHistory& other) const {
  const size_t most = std::min(rows_.size(), other.rows_.size());
  for (size_t i = 0; i < most; ++i) {
    const Row& a = rows_[i];
    const Row& b = other.rows_[i];
    const bool is_picture = a.media != kNoMedia;
    if (a.value != b.value || is_picture != (b.media != kNoMedia)) return static_cast<int64_t>(i);
    // Pictures are compared where they begin; their other rows follow from that.
    if (is_picture && a.value == 0 &&
        !is_same(media_[static_cast<size_t>(a.media)], other.media_[static_cast<size_t>(b.media)]))
      return static_cast<int64_t>(i);
  }
  return static_cast<int64_t>(most);
}

}  // namespace vila::engine
