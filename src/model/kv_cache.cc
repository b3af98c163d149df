// SPDX-License-Identifier: Apache-2.0
#include "model/kv_cache.h"

#include <array>
#include <optional>

#include "base/error.h"
#include "base/numeric.h"

namespace vila::model {

KvCache::KvCache(const spec::DecoderConfig& config, int64_t capacity)
    : layer_stride_(2 * capacity * config.num_key_value_heads * config.head_dim),
      capacity_(capacity) {
  bytes(config, capacity);
  storage_ = Tensor::empty(DType::f32, {config.num_hidden_layers, layer_stride_});
}

void KvCache::truncate(int64_t length) {
  VILA_CHECK(length >= 0 && length <= length_);
  length_ = length;
}

float* KvCache::keys(int64_t layer) noexcept {
  return static_cast<float*>(storage_.raw()) + layer * layer_stride_;
}

float* KvCache::values(int64_t layer) noexcept {
  return keys(layer) + layer_stride_ / 2;
}

void KvCache::advance(int64_t rows) {
  VILA_CHECK(rows >= 0 && length_ + rows <= capacity_);
  length_ += rows;
}

int64_t KvCache::bytes(const spec::DecoderConfig& config, int64_t capacity) {
  int64_t result = static_cast<int64_t>(sizeof(float)) * 2;
  for (const int64_t factor :
       {config.num_hidden_layers, config.num_key_value_heads, config.head_dim, capacity}) {
    const std::optional<int64_t> product = checked_product(result, factor);
    if (!product) {
      fail(ErrorCode::insufficient_memory, "a cache of {} tokens does not fit into any memory",
           capacity);
    }
    result = *product;
  }
  return result;
}

}  // namespace vila::model
