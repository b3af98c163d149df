// SPDX-License-Identifier: Apache-2.0
#include "tensor/tensor.h"

#include <algorithm>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/error.h"

namespace vila {
namespace {

double element_as_double(DType dtype, const void* source, int64_t i) {
  switch (dtype) {
    case DType::f32:
      return static_cast<const float*>(source)[i];
    case DType::f16:
      return to_f32(static_cast<const f16*>(source)[i]);
    case DType::bf16:
      return to_f32(static_cast<const bf16*>(source)[i]);
    case DType::f64:
      return static_cast<const double*>(source)[i];
    default:
      VILA_CHECK(false, "no conversion from {}", dtype_name(dtype));
  }
  return 0;
}

void store_element(DType dtype, void* target, int64_t i, double value) {
  switch (dtype) {
    case DType::f32:
      static_cast<float*>(target)[i] = static_cast<float>(value);
      return;
    case DType::f16:
      static_cast<f16*>(target)[i] = to_f16(static_cast<float>(value));
      return;
    case DType::bf16:
      static_cast<bf16*>(target)[i] = to_bf16(static_cast<float>(value));
      return;
    case DType::f64:
      static_cast<double*>(target)[i] = value;
      return;
    default:
      VILA_CHECK(false, "no conversion to {}", dtype_name(dtype));
  }
}

}  // namespace

Shape::Shape(std::initializer_list<int64_t> extents)
    : Shape(std::span<const int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const int64_t> extents) : rank_(static_cast<int>(extents.size())) {
  VILA_CHECK(rank_ <= kMaxRank, "rank {}", rank_);
  std::copy(extents.begin(), extents.end(), extents_.begin());
}

int64_t Shape::numel() const noexcept {
  int64_t product = 1;
  for (const int64_t extent : extents())
    product *= extent;
  return product;
}

bool Shape::operator==(const Shape& other) const noexcept {
  return std::ranges::equal(extents(), other.extents());
}

std::string Shape::text() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis) {
    text += fmt::format("{}{}", axis > 0 ? ", " : "", (*this)[axis]);
  }
  return text + "]";
}

Tensor Tensor::empty(DType dtype, const Shape& shape) {
  const auto bytes = static_cast<size_t>(shape.numel()) * dtype_size(dtype);
  auto buffer = std::make_shared<AlignedBuffer>(std::max<size_t>(bytes, 1));
  void* data = buffer->data();
  return view(dtype, shape, data, std::move(buffer));
}

Tensor Tensor::zeros(DType dtype, const Shape& shape) {
  Tensor tensor = empty(dtype, shape);
  std::memset(tensor.raw(), 0, tensor.nbytes());
  return tensor;
}

Tensor Tensor::view(DType dtype, const Shape& shape, void* data,
                    std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = shape;
  tensor.data_ = data;
  tensor.owner_ = std::move(owner);
  return tensor;
}

Tensor Tensor::view(DType dtype, const Shape& shape, const void* data,
                    std::shared_ptr<const void> owner) {
  return view(dtype, shape, const_cast<void*>(data), std::move(owner));
}

Tensor Tensor::reshape(const Shape& shape) const {
  Shape wanted = shape;
  int64_t known = 1;
  int inferred = -1;
  for (int axis = 0; axis < wanted.rank(); ++axis) {
    if (wanted[axis] < 0) {
      inferred = axis;
    } else {
      known *= wanted[axis];
    }
  }
  if (inferred >= 0 && known > 0) wanted[inferred] = numel() / known;
  VILA_CHECK(wanted.numel() == numel(), "reshape of {} to {}", text(), shape.text());
  Tensor result = *this;
  result.shape_ = wanted;
  return result;
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  VILA_CHECK(rank() >= 1 && 0 <= begin && begin <= end && end <= dim(0), "rows {}..{} of {}", begin,
             end, text());
  Tensor result = *this;
  const int64_t stride = dim(0) > 0 ? numel() / dim(0) : 0;
  result.data_ =
      static_cast<std::byte*>(data_) + static_cast<size_t>(begin * stride) * dtype_size(dtype_);
  result.shape_[0] = end - begin;
  return result;
}

Tensor Tensor::to(DType dtype) const {
  Tensor result = empty(dtype, shape_);
  convert_elements(dtype_, data_, dtype, result.raw(), numel());
  return result;
}

std::string Tensor::text() const {
  return fmt::format("{} {}", shape_.text(), dtype_name(dtype_));
}

void Tensor::check_dtype(DType expected) const {
  VILA_CHECK(dtype_ == expected, "expected {}, got {}", dtype_name(expected), dtype_name(dtype_));
}

Tensor arena_tensor(Arena& arena, DType dtype, const Shape& shape) {
  const auto bytes = static_cast<size_t>(shape.numel()) * dtype_size(dtype);
  return Tensor::view(dtype, shape, static_cast<void*>(arena.allocate(bytes)));
}

void convert_elements(DType from, const void* source, DType to, void* target, int64_t count) {
  if (from == to) {
    std::memcpy(target, source, static_cast<size_t>(count) * dtype_size(from));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    store_element(to, target, i, element_as_double(from, source, i));
  }
}

}  // namespace vila
