// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "base/numeric.h"

namespace vila {

/// Element types of tensors, named as safetensors and PyTorch users know them.
enum class DType { f32, f16, bf16, f64, i64, i32, i16, i8, u8, boolean };

/// Bytes of one element.
size_t dtype_size(DType dtype) noexcept;

/// "f32", "bf16", …
std::string_view dtype_name(DType dtype) noexcept;

/// Whether it is one of f32, f16, bf16: the types that weights may have.
bool is_weight_dtype(DType dtype) noexcept;

/// Whether some DType has elements of the C++ type T.
template <typename T>
inline constexpr bool is_element_type =
    std::is_same_v<T, f16> || std::is_same_v<T, bf16> || std::is_same_v<T, float> ||
    std::is_same_v<T, double> || std::is_same_v<T, int64_t> || std::is_same_v<T, int32_t> ||
    std::is_same_v<T, int16_t> || std::is_same_v<T, int8_t> || std::is_same_v<T, uint8_t> ||
    std::is_same_v<T, bool>;

/// The DType whose elements have the C++ type T; any other T does not compile.
template <typename T>
constexpr DType dtype_of() {
  static_assert(is_element_type<T>, "no DType has elements of this type");
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  if constexpr (std::is_same_v<T, f16>) return DType::f16;
  if constexpr (std::is_same_v<T, bf16>) return DType::bf16;
  if constexpr (std::is_same_v<T, double>) return DType::f64;
  if constexpr (std::is_same_v<T, int64_t>) return DType::i64;
  if constexpr (std::is_same_v<T, int32_t>) return DType::i32;
  if constexpr (std::is_same_v<T, int16_t>) return DType::i16;
  if constexpr (std::is_same_v<T, int8_t>) return DType::i8;
  if constexpr (std::is_same_v<T, uint8_t>) return DType::u8;
  if constexpr (std::is_same_v<T, bool>) return DType::boolean;
}

}  // namespace vila
