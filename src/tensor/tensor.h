// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "base/arena.h"
#include "tensor/dtype.h"

namespace vila {

/// Extents of a tensor, at most kMaxRank of them, without allocation. A value.
class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> extents);
  explicit Shape(std::span<const int64_t> extents);

  int rank() const noexcept { return rank_; }

  int64_t operator[](int axis) const noexcept { return extents_[static_cast<size_t>(axis)]; }

  int64_t& operator[](int axis) noexcept { return extents_[static_cast<size_t>(axis)]; }

  std::span<const int64_t> extents() const noexcept {
    return {extents_.data(), static_cast<size_t>(rank_)};
  }

  /// Product of the extents; 1 for a scalar.
  int64_t numel() const noexcept;
  bool operator==(const Shape& other) const noexcept;
  /// "[4096, 1024]", for messages.
  std::string text() const;

 private:
  std::array<int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

/// A dense row-major array: a pointer, a shape, a dtype and, maybe, a share in what owns the
/// memory.
///
/// A value: copying copies the descriptor, never the elements. Tensors made by arena_tensor() own
/// nothing and must not outlive the arena's step.
class Tensor {
 public:
  Tensor() = default;

  /// Uninitialised, owning its memory (64-byte aligned).
  static Tensor empty(DType dtype, const Shape& shape);
  static Tensor zeros(DType dtype, const Shape& shape);
  /// A view of memory that `owner` keeps alive (null: the caller does).
  static Tensor view(DType dtype, const Shape& shape, void* data,
                     std::shared_ptr<const void> owner = nullptr);
  static Tensor view(DType dtype, const Shape& shape, const void* data,
                     std::shared_ptr<const void> owner = nullptr);

  bool defined() const noexcept { return data_ != nullptr || (shape_.rank() > 0 && numel() == 0); }

  DType dtype() const noexcept { return dtype_; }

  const Shape& shape() const noexcept { return shape_; }

  int rank() const noexcept { return shape_.rank(); }

  /// Extent of an axis; negative counts from the last.
  int64_t dim(int axis) const noexcept { return shape_[axis < 0 ? axis + shape_.rank() : axis]; }

  int64_t numel() const noexcept { return shape_.numel(); }

  size_t nbytes() const noexcept { return static_cast<size_t>(numel()) * dtype_size(dtype_); }

  void* raw() const noexcept { return data_; }

  /// Elements as T. Throws Bug when the dtype is another one.
  template <typename T>
  T* data() const {
    check_dtype(dtype_of<T>());
    return static_cast<T*>(data_);
  }

  template <typename T>
  std::span<T> values() const {
    return {data<T>(), static_cast<size_t>(numel())};
  }

  /// Same elements, other extents; one may be -1 (inferred). Throws Bug when the counts differ.
  Tensor reshape(const Shape& shape) const;
  /// Rows [begin, end) of the first axis.
  Tensor rows(int64_t begin, int64_t end) const;
  /// Owning copy, elements converted (between float types; or the same type).
  Tensor to(DType dtype) const;

  /// "[4096, 1024] bf16", for messages.
  std::string text() const;

 private:
  void check_dtype(DType expected) const;

  DType dtype_ = DType::f32;
  Shape shape_;
  void* data_ = nullptr;
  std::shared_ptr<const void> owner_;
};

/// Uninitialised tensor in `arena`.
Tensor arena_tensor(Arena& arena, DType dtype, const Shape& shape);

/// Converts `count` elements between any two of f32, f16, bf16, f64 (round to nearest even).
void convert_elements(DType from, const void* source, DType to, void* target, int64_t count);

}  // namespace vila
