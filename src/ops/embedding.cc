// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/helpers.h"
#include "ops/ops.h"

namespace vila::ops {
namespace {

void check_ids(std::span<const int32_t> ids, int64_t rows) {
  for (const int32_t id : ids) {
    VILA_CHECK(id >= 0 && id < rows, "id {} in a table of {} rows", id, rows);
  }
}

// Row `n` of the layout in float: scale * (code - zero), or scale * code + offset.
void widen_row(const PackedMatrix& table, int64_t n, float* y) {
  constexpr int64_t kRows = PackedMatrix::kTileRows;
  constexpr int64_t kLine = PackedMatrix::kLineBytes;
  const uint8_t* place = table.data.data<uint8_t>() + n / kRows * table.tile_bytes();
  const int64_t r = n % kRows;
  for (int64_t g = 0; g < table.groups(); ++g, place += table.code_bytes() + kLine) {
    const auto* line = reinterpret_cast<const f16*>(place + table.code_bytes());
    const float scale = to_f32(line[r]);
    const float shift = to_f32(line[kRows + r]);
    for (int64_t k = 0; k < table.group; ++k) {
      const int64_t per_line = 32 / table.bits;  // columns of a row in a line
      const uint8_t byte = place[k / per_line * kLine + 4 * r + k % 4];
      const int code = table.bits == 8 ? byte : k % 8 < 4 ? byte & 15 : byte >> 4;
      *y++ = table.has_offsets ? scale * static_cast<float>(code) + shift
                               : scale * (static_cast<float>(code) - shift);
    }
  }
}

}  // namespace

Tensor embedding(Context& ctx, const PackedMatrix& table, std::span<const int32_t> ids) {
  check_ids(ids, table.out);
  const auto count = static_cast<int64_t>(ids.size());
  Tensor y = arena_tensor(ctx.arena, DType::f32, {count, table.in});
  ctx.pool.parallel_for(count, rows_per_task(table.in), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      widen_row(table, ids[static_cast<size_t>(t)], y.data<float>() + t * table.in);
  });
  return y;
}

Tensor embedding(Context& ctx, const Tensor& table, std::span<const int32_t> ids) {
  VILA_CHECK(table.rank() == 2 && is_weight_dtype(table.dtype()), "table is {}", table.text());
  check_ids(ids, table.dim(0));
  const int64_t size = table.dim(1);
  const auto row_bytes = static_cast<int64_t>(dtype_size(table.dtype())) * size;
  const auto* rows = static_cast<const std::byte*>(table.raw());
  const auto count = static_cast<int64_t>(ids.size());
  Tensor y = arena_tensor(ctx.arena, DType::f32, {count, size});
  ctx.pool.parallel_for(count, rows_per_task(size), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const std::byte* row = rows + ids[static_cast<size_t>(t)] * row_bytes;
      ctx.kernels.widen(table.dtype(), row, size, y.data<float>() + t * size);
    }
  });
  return y;
}

Tensor patchify(Context& ctx, const Tensor& pixels, int64_t patch_size) {
  VILA_CHECK(pixels.rank() == 4 && pixels.dim(2) == pixels.dim(3), "pixels are {}", pixels.text());
  VILA_CHECK(patch_size > 0 && patch_size <= pixels.dim(2), "patches of {} in pixels {}",
             patch_size, pixels.text());
  const int64_t channels = pixels.dim(1);
  const int64_t side = pixels.dim(2);
  const int64_t across = side / patch_size;  // a convolution drops the rest, and so do we
  const int64_t size = channels * patch_size * patch_size;
  Tensor y = arena_tensor(ctx.arena, DType::f32, {pixels.dim(0) * across * across, size});
  ctx.pool.parallel_for(y.dim(0), rows_per_task(size), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t image = t / (across * across);
      const int64_t top = t / across % across * patch_size;
      const int64_t left = t % across * patch_size;
      float* target = y.data<float>() + t * size;
      for (int64_t line = 0; line < channels * patch_size; ++line) {
        const int64_t channel = image * channels + line / patch_size;
        const int64_t row = channel * side + top + line % patch_size;
        target = std::copy_n(pixels.data<float>() + row * side + left, patch_size, target);
      }
    }
  });
  return y;
}

}  // namespace vila::ops
