// SPDX-License-Identifier: Apache-2.0
#include "quantize/compare_rows.h"

#include <cmath>

#include <fmt/format.h>

#include "tensor/compare.h"

namespace vila::quantize {
namespace {

using engine::VerifyRow;

// A row that failed because the shapes differ, or one to be filled.
bool same_shape(VerifyRow& row, const Tensor& actual, const Tensor& expected) {
  if (actual.shape() == expected.shape()) return true;
  row.note = fmt::format("expected {}, found {}", expected.text(), actual.text());
  return false;
}

VerifyRow compare_by(const std::string& name, const Tensor& actual, const Tensor& expected,
                     double tolerance) {
  VerifyRow row{.name = name, .tolerance = tolerance, .is_absolute = true};
  if (!same_shape(row, actual, expected)) return row;
  const Difference difference = compare(actual, expected);
  row.max_abs = difference.max_abs;
  row.relative = difference.relative();
  row.is_passed = difference.max_abs <= tolerance;
  if (!row.is_passed) row.note = fmt::format("largest difference at element {}", difference.worst);
  return row;
}

}  // namespace

VerifyRow compare_exactly(const std::string& name, const Tensor& actual, const Tensor& expected) {
  return compare_by(name, actual, expected, 0);
}

VerifyRow compare_within(const std::string& name, const Tensor& actual, const Tensor& expected,
                         double tolerance) {
  return compare_by(name, actual, expected, tolerance);
}

VerifyRow compare_each(const std::string& name, const Tensor& actual, const Tensor& expected,
                       double tolerance) {
  VerifyRow row{.name = name, .tolerance = tolerance};
  if (!same_shape(row, actual, expected)) return row;
  const Tensor a = actual.to(DType::f64);
  const Tensor b = expected.to(DType::f64);
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double difference = std::abs(a.data<double>()[i] - b.data<double>()[i]);
    const double magnitude = std::abs(b.data<double>()[i]);
    const double relative = magnitude > 0 ? difference / magnitude : difference;
    row.max_abs = std::max(row.max_abs, difference);
    if (relative <= row.relative) continue;
    row.relative = relative;
    row.note = fmt::format("most at element {}", i);
  }
  row.is_passed = row.relative <= tolerance;
  if (row.is_passed) row.note.clear();
  return row;
}

VerifyRow compare_figure(const std::string& name, double actual, double expected,
                         double tolerance) {
  VerifyRow row{.name = name, .max_abs = std::abs(actual - expected), .tolerance = tolerance};
  row.relative = expected != 0 ? row.max_abs / std::abs(expected) : row.max_abs;
  row.is_passed = row.relative <= tolerance;
  row.note = fmt::format("{:.6g}, recorded {:.6g}", actual, expected);
  return row;
}

}  // namespace vila::quantize
