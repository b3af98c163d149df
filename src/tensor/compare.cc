// SPDX-License-Identifier: Apache-2.0
#include "tensor/compare.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace vila {
namespace {

double as_double(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype()) {
    case DType::f32:
      return tensor.data<float>()[i];
    case DType::f16:
      return to_f32(tensor.data<f16>()[i]);
    case DType::bf16:
      return to_f32(tensor.data<bf16>()[i]);
    case DType::f64:
      return tensor.data<double>()[i];
    case DType::i64:
      return static_cast<double>(tensor.data<int64_t>()[i]);
    case DType::i32:
      return tensor.data<int32_t>()[i];
    case DType::i16:
      return tensor.data<int16_t>()[i];
    case DType::i8:
      return tensor.data<int8_t>()[i];
    case DType::u8:
      return tensor.data<uint8_t>()[i];
    case DType::boolean:
      return tensor.data<bool>()[i] ? 1 : 0;
  }
  return 0;
}

}  // namespace

double Difference::relative() const noexcept {
  return max_expected > 0 ? max_abs / max_expected : max_abs;
}

Difference compare(const Tensor& actual, const Tensor& expected) {
  VILA_CHECK(actual.shape() == expected.shape(), "comparing {} with {}", actual.text(),
             expected.text());
  Difference result;
  double dot = 0;
  double norm_actual = 0;
  double norm_expected = 0;
  for (int64_t i = 0; i < actual.numel(); ++i) {
    const double a = as_double(actual, i);
    const double b = as_double(expected, i);
    const bool same = a == b || (std::isnan(a) && std::isnan(b));
    double gap = same ? 0 : std::abs(a - b);
    if (std::isnan(gap)) gap = std::numeric_limits<double>::infinity();
    if (gap > result.max_abs) {
      result.max_abs = gap;
      result.worst = i;
    }
    result.max_expected = std::max(result.max_expected, std::abs(b));
    dot += a * b;
    norm_actual += a * a;
    norm_expected += b * b;
  }
  const double norms = std::sqrt(norm_actual) * std::sqrt(norm_expected);
  if (norms > 0) result.cosine = dot / norms;
  return result;
}

}  // namespace vila
