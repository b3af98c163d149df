// SPDX-License-Identifier: Apache-2.0
#include "model/video.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "model/multi_scale.h"

namespace vila::model {
namespace {

using Pool = std::array<int64_t, 3>;

// Rows appended one block after the other.
class RowList {
 public:
  void append(const Tensor& rows) {
    if (!rows.defined() || rows.numel() == 0) return;
    const std::span<const float> values = rows.values<float>();
    values_.insert(values_.end(), values.begin(), values.end());
  }

  Tensor take(ops::Context& ctx, int64_t width) const {
    const auto count = static_cast<int64_t>(values_.size()) / width;
    Tensor rows = arena_tensor(ctx.arena, DType::f32, {count, width});
    std::ranges::copy(values_, rows.data<float>());
    return rows;
  }

 private:
  std::vector<float> values_;
};

void check_divides(int64_t size, int64_t window, const char* what) {
  if (size % window == 0) return;
  fail(ErrorCode::invalid_argument,
       "video: expected a multiple of {} {} (the model's pooling), found {}", window, what, size);
}

// Means over windows: [T, s s, D] to [T / t, (s / h) (s / w), D]. The reference takes them axis by
// axis; windows are of equal size, so that one mean over all is the same.
Tensor pool_frames(ops::Context& ctx, const Tensor& frames, const Pool& pool) {
  const int64_t side = map_side(frames.dim(1));
  const int64_t width = frames.dim(2);
  check_divides(frames.dim(0), pool[0], "frames");
  check_divides(side, pool[1], "rows of a frame");
  check_divides(side, pool[2], "columns of a frame");
  const int64_t rows = side / pool[1];
  const int64_t columns = side / pool[2];
  const Shape shape{frames.dim(0) / pool[0], rows * columns, width};
  Tensor pooled = arena_tensor(ctx.arena, DType::f32, shape);
  std::fill_n(pooled.data<float>(), pooled.numel(), 0.0F);
  const float share = 1.0F / static_cast<float>(pool[0] * pool[1] * pool[2]);
  for (int64_t i = 0; i < frames.dim(0) * side * side; ++i) {
    const int64_t t = i / (side * side) / pool[0];
    const int64_t y = i / side % side / pool[1];
    const int64_t x = i % side / pool[2];
    ctx.kernels.axpy(share, frames.data<float>() + i * width, width,
                     pooled.data<float>() + ((t * rows + y) * columns + x) * width);
  }
  return pooled;
}

}  // namespace

Tensor pool_video(ops::Context& ctx, const Tensor& frames, const spec::VideoPools& pools,
                  const VideoEnds& ends) {
  const spec::VideoPools none = {{1, 1, 1}};
  RowList rows;
  for (const Pool& pool : pools.empty() ? none : pools) {
    const Tensor pooled = pool_frames(ctx, frames, pool);
    for (int64_t t = 0; t < pooled.dim(0); ++t) {
      rows.append(pooled.rows(t, t + 1));
      rows.append(ends.end);
    }
    rows.append(ends.separator);
  }
  return rows.take(ctx, frames.dim(2));
}

}  // namespace vila::model
