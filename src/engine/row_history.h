// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "spec/splice.h"
#include "tensor/tensor.h"
#include "text/tokenizer.h"

namespace vila::engine {

/// What stands in each row of a sequence: a token, or a row of a picture. Two sequences that begin
/// with the same rows have the same keys and values there. Shares the rows of pictures, so that
/// they can be compared as long as it lives. A value.
class RowHistory {
 public:
  RowHistory() = default;

  /// The rows of a spliced prompt. `media` as Vila::embed() takes them, owning.
  RowHistory(std::span<const text::TokenId> ids, const spec::Splice& layout,
             std::span<const Tensor> media);

  /// One more token behind all rows.
  void add(text::TokenId id) { rows_.push_back({kNoMedia, id}); }

  /// Forgets all rows from `size` on.
  void truncate(int64_t size);

  int64_t size() const noexcept { return static_cast<int64_t>(rows_.size()); }

  /// How many rows the two begin with in common: the same tokens, and pictures whose rows are the
  /// same bit by bit.
  int64_t common_prefix(const RowHistory& other) const;

 private:
  static constexpr int32_t kNoMedia = -1;

  struct Row {
    int32_t media;  // number of the picture, or kNoMedia
    int32_t value;  // token, or row of the picture
  };

  std::vector<Row> rows_;
  std::vector<Tensor> media_;
};

}  // namespace vila::engine
