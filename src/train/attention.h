// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace at {
class Tensor;
}

namespace vila::train {

/// How the rows of a packed batch attend: samples of like length stand together in groups, padded
/// to a common length, so that a group is one batched product and a causal softmax needs no mask
/// for the padding. Made once per batch; immutable.
class AttentionPlan {
 public:
  /// @param starts  first row of each sample, and the number of rows.
  /// @param device  "cpu" or "cuda".
  AttentionPlan(const std::vector<int64_t>& starts, const std::string& device);
  ~AttentionPlan();
  AttentionPlan(AttentionPlan&&) noexcept;

  /// softmax(q kᵀ / sqrt(head_dim)) v within each sample: q [rows, heads * head_dim], k and v
  /// [rows, kv_heads * head_dim], result as q. Causal, or over the whole sample; in the second form
  /// all samples must have the same length.
  at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                    bool is_causal) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vila::train
