// SPDX-License-Identifier: Apache-2.0
#include "model/multi_scale.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"

namespace vila::model {
namespace {

constexpr float kBicubicA = -0.75F;

/// Four neighbours of a target pixel along one axis, and their weights.
struct Taps {
  std::array<int64_t, 4> at;
  std::array<float, 4> weight;
};

// Keys' kernel for distances below and above 1; f32 throughout, as torch computes it.
float near_weight(float x) {
  return ((kBicubicA + 2) * x - (kBicubicA + 3)) * x * x + 1;
}

float far_weight(float x) {
  return ((kBicubicA * x - 5 * kBicubicA) * x + 8 * kBicubicA) * x - 4 * kBicubicA;
}

std::vector<Taps> make_taps(int64_t from, int64_t to) {
  std::vector<Taps> all;
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  for (int64_t i = 0; i < to; ++i) {
    const float place = scale * (static_cast<float>(i) + 0.5F) - 0.5F;
    const auto first = static_cast<int64_t>(std::floor(place));
    const float t = place - static_cast<float>(first);
    Taps taps{.at = {},
              .weight = {far_weight(t + 1), near_weight(t), near_weight(1 - t), far_weight(2 - t)}};
    for (int64_t k = 0; k < 4; ++k) {
      taps.at[static_cast<size_t>(k)] = std::clamp<int64_t>(first - 1 + k, 0, from - 1);
    }
    all.push_back(taps);
  }
  return all;
}

// One target row: along x within four source rows, then across them.
void resize_row(const float* plane, int64_t width, const Taps& vertical, std::span<const Taps> taps,
                float* target) {
  for (const Taps& horizontal : taps) {
    float sum = 0;
    for (size_t i = 0; i < 4; ++i) {
      const float* row = plane + vertical.at[i] * width;
      float value = 0;
      for (size_t j = 0; j < 4; ++j)
        value += row[horizontal.at[j]] * horizontal.weight[j];
      sum += value * vertical.weight[i];
    }
    *target++ = sum;
  }
}

}  // namespace

int64_t map_side(int64_t tokens) {
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(tokens))));
  VILA_CHECK(side * side == tokens, "{} rows are no square", tokens);
  return side;
}

Tensor resize_bicubic(ops::Context& ctx, const Tensor& pixels, int64_t side) {
  const int64_t from = pixels.dim(-1);
  if (from == side) return pixels;
  const std::vector<Taps> taps = make_taps(from, side);
  Tensor result = arena_tensor(ctx.arena, DType::f32, {pixels.dim(0), pixels.dim(1), side, side});
  const int64_t planes = pixels.dim(0) * pixels.dim(1);
  ctx.pool.parallel_for(planes * side, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      resize_row(pixels.data<float>() + row / side * from * from, from,
                 taps[static_cast<size_t>(row % side)], taps, result.data<float>() + row * side);
    }
  });
  return result;
}

Tensor split_tiles(ops::Context& ctx, const Tensor& pixels, int64_t tile) {
  const int64_t pictures = pixels.dim(0);
  const int64_t channels = pixels.dim(1);
  const int64_t side = pixels.dim(-1);
  const int64_t count = side / tile;
  VILA_CHECK(count * tile == side, "{} pixels in tiles of {}", side, tile);
  Tensor tiles =
      arena_tensor(ctx.arena, DType::f32, {count * count * pictures, channels, tile, tile});
  float* target = tiles.data<float>();
  for (int64_t t = 0; t < count * count; ++t) {
    const int64_t corner = t / count * tile * side + t % count * tile;
    for (int64_t plane = 0; plane < pictures * channels; ++plane) {
      const float* source = pixels.data<float>() + plane * side * side + corner;
      for (int64_t y = 0; y < tile; ++y, target += tile)
        std::copy_n(source + y * side, tile, target);
    }
  }
  return tiles;
}

Tensor stitch_tiles(ops::Context& ctx, const Tensor& features, const TileGrid& grid) {
  const int64_t side = map_side(features.dim(1));
  const int64_t width = features.dim(2);
  const int64_t columns = grid.columns * side;
  VILA_CHECK(static_cast<int64_t>(grid.tiles.size()) == grid.rows * grid.columns);
  Tensor map = arena_tensor(ctx.arena, DType::f32, {grid.rows * side, columns, width});
  for (int64_t y = 0; y < grid.rows * side; ++y) {
    for (int64_t c = 0; c < grid.columns; ++c) {
      const int64_t tile = grid.tiles[static_cast<size_t>(y / side * grid.columns + c)];
      const float* source = features.data<float>() + (tile * side + y % side) * side * width;
      std::copy_n(source, side * width, map.data<float>() + (y * columns + c * side) * width);
    }
  }
  return map;
}

Tensor cut_map(ops::Context& ctx, const Tensor& map, int64_t side) {
  const int64_t rows = map.dim(0) / side;
  const int64_t columns = map.dim(1) / side;
  const int64_t width = map.dim(2);
  Tensor tiles = arena_tensor(ctx.arena, DType::f32, {rows * columns, side * side, width});
  for (int64_t y = 0; y < rows * side; ++y) {
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t tile = y / side * columns + c;
      const float* source = map.data<float>() + (y * map.dim(1) + c * side) * width;
      std::copy_n(source, side * width,
                  tiles.data<float>() + (tile * side + y % side) * side * width);
    }
  }
  return tiles;
}

Tensor pool_area(ops::Context& ctx, const Tensor& map, int64_t height, int64_t width) {
  const int64_t h = map.dim(0);
  const int64_t w = map.dim(1);
  const int64_t depth = map.dim(2);
  if (h == height && w == width) return map;
  Tensor pooled = arena_tensor(ctx.arena, DType::f32, {height, width, depth});
  ctx.pool.parallel_for(height * width, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t top = i / width * h / height;
      const int64_t bottom = ((i / width + 1) * h + height - 1) / height;
      const int64_t left = i % width * w / width;
      const int64_t right = ((i % width + 1) * w + width - 1) / width;
      float* target = pooled.data<float>() + i * depth;
      std::fill_n(target, depth, 0.0F);
      for (int64_t y = top; y < bottom; ++y) {
        for (int64_t x = left; x < right; ++x)
          ctx.kernels.axpy(1, map.data<float>() + (y * w + x) * depth, depth, target);
      }
      const auto area = static_cast<float>((bottom - top) * (right - left));
      for (int64_t c = 0; c < depth; ++c)
        target[c] /= area;
    }
  });
  return pooled;
}

Tensor stack_channels(ops::Context& ctx, std::span<const Tensor> maps) {
  int64_t depth = 0;
  for (const Tensor& map : maps)
    depth += map.dim(2);
  const int64_t places = maps.front().dim(0) * maps.front().dim(1);
  Tensor stacked =
      arena_tensor(ctx.arena, DType::f32, {maps.front().dim(0), maps.front().dim(1), depth});
  int64_t offset = 0;
  for (const Tensor& map : maps) {
    const int64_t own = map.dim(2);
    VILA_CHECK(map.dim(0) * map.dim(1) == places, "map {}", map.text());
    for (int64_t i = 0; i < places; ++i) {
      std::copy_n(map.data<float>() + i * own, own, stacked.data<float>() + i * depth + offset);
    }
    offset += own;
  }
  return stacked;
}

}  // namespace vila::model
