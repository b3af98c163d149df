// SPDX-License-Identifier: Apache-2.0
#include "model/kv_cache.h"

#include <cstring>
#include <initializer_list>
#include <optional>

#include "base/error.h"
#include "base/numeric.h"

namespace vila::model {
namespace {

// The first `count` elements of each of `heads` equal parts; the two tensors may have other sizes.
void copy_vectors(const Tensor& from, const Tensor& to, int64_t heads, int64_t count) {
  const auto size = static_cast<int64_t>(dtype_size(to.dtype()));
  const int64_t from_bytes = from.numel() / heads * size;
  const int64_t to_bytes = to.numel() / heads * size;
  for (int64_t head = 0; head < heads; ++head) {
    std::memcpy(static_cast<char*>(to.raw()) + head * to_bytes,
                static_cast<const char*>(from.raw()) + head * from_bytes,
                static_cast<size_t>(count * size));
  }
}

}  // namespace

KvCache::KvCache(const spec::DecoderConfig& config, int64_t capacity, DType dtype)
    : layers_(config.num_hidden_layers),
      heads_(config.num_key_value_heads),
      head_dim_(config.head_dim),
      capacity_(capacity) {
  VILA_CHECK(dtype == DType::f32 || dtype == DType::f16 || dtype == DType::i8, "keys in {}",
             dtype_name(dtype));
  if (dtype == DType::i8 && head_dim_ % 4 != 0) {
    fail(ErrorCode::invalid_argument,
         "keys in int8: expected heads of a multiple of 4, found {}; use f16", head_dim_);
  }
  bytes(config, capacity, dtype);
  storage_ = Tensor::empty(dtype, {layers_, 2, heads_, capacity, head_dim_});
  if (dtype == DType::i8) scales_ = Tensor::empty(DType::f32, {layers_, 2, heads_, capacity});
}

void KvCache::truncate(int64_t length) {
  VILA_CHECK(length >= 0 && length <= length_);
  length_ = length;
}

ops::KvView KvCache::view(int64_t layer) const {
  VILA_CHECK(layer >= 0 && layer < layers_);
  const int64_t vectors = heads_ * capacity_;  // of keys of a layer
  const auto size = static_cast<int64_t>(dtype_size(dtype()));
  const auto at = [&](int64_t part) {
    return static_cast<char*>(storage_.raw()) + part * vectors * head_dim_ * size;
  };
  ops::KvView view{.keys = at(2 * layer),
                   .values = at(2 * layer + 1),
                   .dtype = dtype(),
                   .head_stride = capacity_ * head_dim_,
                   .token_stride = head_dim_};
  if (scales_.defined()) {
    view.key_scales = static_cast<float*>(scales_.raw()) + 2 * layer * vectors;
    view.value_scales = view.key_scales + vectors;
    view.scale_stride = capacity_;
  }
  return view;
}

void KvCache::advance(int64_t rows) {
  VILA_CHECK(rows >= 0 && length_ + rows <= capacity_);
  length_ += rows;
}

void KvCache::copy_prefix(const KvCache& other, int64_t rows) {
  VILA_CHECK(rows >= 0 && rows <= other.length_ && rows <= capacity_ && other.dtype() == dtype() &&
                 other.layers_ == layers_ && other.heads_ == heads_ && other.head_dim_ == head_dim_,
             "{} of {} tokens into a cache for {}", rows, other.length_, capacity_);
  const int64_t heads = layers_ * 2 * heads_;
  copy_vectors(other.storage_, storage_, heads, rows * head_dim_);
  if (scales_.defined()) copy_vectors(other.scales_, scales_, heads, rows);
  length_ = rows;
}

int64_t KvCache::bytes(const spec::DecoderConfig& config, int64_t capacity, DType dtype) {
  const auto product = [&](std::initializer_list<int64_t> factors) {
    int64_t result = 1;
    for (const int64_t factor : factors) {
      const std::optional<int64_t> next = checked_product(result, factor);
      if (!next) {
        fail(ErrorCode::insufficient_memory, "a cache of {} tokens does not fit into any memory",
             capacity);
      }
      result = *next;
    }
    return result;
  };
  // A vector's elements, and its scale.
  const auto size = static_cast<int64_t>(dtype_size(dtype));
  const int64_t vector =
      product({config.head_dim, size}) + (dtype == DType::i8 ? int64_t{sizeof(float)} : 0);
  return product({2, config.num_hidden_layers, config.num_key_value_heads, vector, capacity});
}

}  // namespace vila::model
