// SPDX-License-Identifier: Apache-2.0
#include "quantize/calibration.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace vila::quantize {

Calibration join_sequences(std::span<const Tensor> sequences) {
  Calibration calibration;
  int64_t total = 0;
  for (const Tensor& rows : sequences) {
    calibration.lengths.push_back(rows.dim(0));
    total += rows.dim(0);
  }
  VILA_CHECK(total > 0, "no rows");
  calibration.rows = Tensor::empty(DType::f32, {total, sequences.front().dim(1)});
  int64_t begin = 0;
  for (const Tensor& rows : sequences) {
    const Tensor target = calibration.rows.rows(begin, begin + rows.dim(0));
    std::memcpy(target.raw(), rows.raw(), rows.nbytes());
    begin += rows.dim(0);
  }
  return calibration;
}

std::vector<int64_t> choose_windows(int64_t count, const WindowChoice& choice) {
  const int64_t windows = std::max<int64_t>(count / choice.tokens, 1);
  std::vector<int64_t> begins(static_cast<size_t>(windows));
  for (int64_t i = 0; i < windows; ++i)
    begins[static_cast<size_t>(i)] = i * choice.tokens;
  if (windows <= choice.samples) return begins;
  // The first `samples` of a shuffle.
  Random random(choice.seed);
  for (int64_t i = 0; i < choice.samples; ++i) {
    const int64_t other = i + random.below(windows - i);
    std::swap(begins[static_cast<size_t>(i)], begins[static_cast<size_t>(other)]);
  }
  begins.resize(static_cast<size_t>(choice.samples));
  std::ranges::sort(begins);
  return begins;
}

Calibration calibrate_text(const Tensor& table, std::span<const text::TokenId> ids,
                           const WindowChoice& choice) {
  const auto count = static_cast<int64_t>(ids.size());
  if (count == 0) fail(ErrorCode::invalid_data, "calibration: expected tokens, found none");
  std::vector<Tensor> sequences;
  for (const int64_t begin : choose_windows(count, choice)) {
    const int64_t length = std::min(choice.tokens, count - begin);
    Tensor rows = Tensor::empty(DType::f32, {length, table.dim(1)});
    for (int64_t t = 0; t < length; ++t) {
      const text::TokenId id = ids[static_cast<size_t>(begin + t)];
      if (id < 0 || id >= table.dim(0)) {
        fail(ErrorCode::invalid_data, "calibration: token id {}: expected 0 to {}", id,
             table.dim(0) - 1);
      }
      const Tensor source = table.rows(id, id + 1);
      convert_elements(source.dtype(), source.raw(), DType::f32, rows.rows(t, t + 1).raw(),
                       table.dim(1));
    }
    sequences.push_back(rows);
  }
  Calibration calibration = join_sequences(sequences);
  calibration.description =
      fmt::format("{} windows of {} tokens", sequences.size(), std::min(choice.tokens, count));
  return calibration;
}

}  // namespace vila::quantize
