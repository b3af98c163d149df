// SPDX-License-Identifier: Apache-2.0
#include "tensor/dtype.h"

#include <array>

namespace vila {
namespace {

struct Row {
  std::string_view name;
  size_t size;
};

constexpr std::array<Row, 10> kRows = {{{"f32", 4},
                                        {"f16", 2},
                                        {"bf16", 2},
                                        {"f64", 8},
                                        {"i64", 8},
                                        {"i32", 4},
                                        {"i16", 2},
                                        {"i8", 1},
                                        {"u8", 1},
                                        {"bool", 1}}};

}  // namespace

size_t dtype_size(DType dtype) noexcept {
  return kRows[static_cast<size_t>(dtype)].size;
}

std::string_view dtype_name(DType dtype) noexcept {
  return kRows[static_cast<size_t>(dtype)].name;
}

bool is_weight_dtype(DType dtype) noexcept {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

}  // namespace vila
