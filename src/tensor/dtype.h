// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/numeric.h"

namespace vila {

/// Element types of tensors, named as safetensors and PyTorch users know them.
enum class DType { f32, f16, bf16, f64, i64, i32, i16, i8, u8, boolean };

size_t dtype_size(DType dtype) noexcept;            // bytes of one element
std::string_view dtype_name(DType dtype) noexcept;  // "f32", "bf16", …

/// Whether it is one of f32, f16, bf16: the types that weights may have.
bool is_weight_dtype(DType dtype) noexcept;

template <typename T>
constexpr DType dtype_of();

template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}

template <>
constexpr DType dtype_of<f16>() {
  return DType::f16;
}

template <>
constexpr DType dtype_of<bf16>() {
  return DType::bf16;
}

template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}

template <>
constexpr DType dtype_of<int64_t>() {
  return DType::i64;
}

template <>
constexpr DType dtype_of<int32_t>() {
  return DType::i32;
}

template <>
constexpr DType dtype_of<int16_t>() {
  return DType::i16;
}

template <>
constexpr DType dtype_of<int8_t>() {
  return DType::i8;
}

template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::u8;
}

template <>
constexpr DType dtype_of<bool>() {
  return DType::boolean;
}

}  // namespace vila
