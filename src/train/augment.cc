// SPDX-License-Identifier: Apache-2.0
#include "train/augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "train/torch_compat.h"

namespace vila::train {
namespace {

using Matrix3 = std::array<std::array<double, 3>, 3>;

double between(Random& random, double low, double high) {
  return low + (high - low) * random.uniform();
}

/// Rows of the 2x3 map from output to input coordinates (both -1..1).
std::array<double, 6> random_affine(const AugmentRecipe& recipe, Random& random) {
  const double angle =
      between(random, -recipe.rotation, recipe.rotation) * std::numbers::pi / 180.0;
  const double scale =
      1.0 / std::exp(between(random, std::log(recipe.min_scale), std::log(recipe.max_scale)));
  const double mirror = random.uniform() < recipe.flip ? -1.0 : 1.0;
  const double c = std::cos(angle) * scale;
  const double s = std::sin(angle) * scale;
  const double x = between(random, -2.0 * recipe.shift, 2.0 * recipe.shift);
  const double y = between(random, -2.0 * recipe.shift, 2.0 * recipe.shift);
  return {c * mirror, -s, x, s * mirror, c, y};
}

Matrix3 product(const Matrix3& a, const Matrix3& b) {
  Matrix3 out{};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      for (size_t k = 0; k < 3; ++k)
        out[i][j] += a[i][k] * b[k][j];
    }
  }
  return out;
}

/// Colours keep `keep` of their distance from grey (luma weights of ITU-R BT.601).
Matrix3 saturation_matrix(double keep) {
  constexpr std::array kLuma = {0.299, 0.587, 0.114};
  Matrix3 out{};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j)
      out[i][j] = (1.0 - keep) * kLuma[j] + (i == j ? keep : 0.0);
  }
  return out;
}

/// Turn around the grey axis (Rodrigues' formula).
Matrix3 hue_matrix(double turns) {
  const double angle = 2.0 * std::numbers::pi * turns;
  const double c = std::cos(angle);
  const double d = (1.0 - c) / 3.0;
  const double s = std::sin(angle) / std::numbers::sqrt3;
  return {{{c + d, d - s, d + s}, {d + s, c + d, d - s}, {d - s, d + s, c + d}}};
}

/// 3x3 colour map and shift: contrast about mid grey, then brightness.
std::array<double, 12> random_colour(const AugmentRecipe& recipe, Random& random) {
  const bool is_grey = random.uniform() < recipe.grey;
  const double keep = is_grey ? 0.0 : 1.0 + between(random, -recipe.saturation, recipe.saturation);
  const Matrix3 map =
      product(saturation_matrix(keep), hue_matrix(between(random, -recipe.hue, recipe.hue)));
  const double contrast = 1.0 + between(random, -recipe.contrast, recipe.contrast);
  const double brightness = 1.0 + between(random, -recipe.brightness, recipe.brightness);
  std::array<double, 12> out{};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j)
      out[i * 4 + j] = map[i][j] * contrast * brightness;
    out[i * 4 + 3] = 0.5 * (1.0 - contrast) * brightness;
  }
  return out;
}

at::Tensor add_noise(const at::Tensor& pictures, const AugmentRecipe& recipe, Random& random) {
  // A table of normal numbers, read from a random place for each picture, is noise enough.
  const int64_t size = pictures[0].numel();
  const at::Tensor table = at::empty({2 * size}, at::kFloat);
  float* values = table.data_ptr<float>();
  for (int64_t i = 0; i < 2 * size; ++i)
    values[i] = static_cast<float>(random.normal());
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < pictures.size(0); ++i) {
    const double deviation = between(random, 0.0, recipe.noise);
    rows.push_back(table.narrow(0, random.below(size), size).view(pictures[0].sizes()) * deviation);
  }
  return pictures + at::stack(rows).to(pictures.device());
}

void cut_squares(const at::Tensor& pictures, const AugmentRecipe& recipe, Random& random) {
  const int64_t side = pictures.size(-1);
  for (int64_t i = 0; i < pictures.size(0); ++i) {
    if (random.uniform() >= recipe.cutout) continue;
    const int64_t hole = std::max<int64_t>(1, side / 8 + random.below(side / 4 + 1));
    const int64_t top = random.below(side - hole + 1);
    const int64_t left = random.below(side - hole + 1);
    pictures[i].narrow(1, top, hole).narrow(2, left, hole).fill_(random.uniform());
  }
}

}  // namespace

at::Tensor augment(const at::Tensor& pictures, const AugmentRecipe& recipe, Random& random) {
  const int64_t n = pictures.size(0);
  std::vector<float> affine;
  std::vector<float> colour;
  for (int64_t i = 0; i < n; ++i) {
    for (const double value : random_affine(recipe, random))
      affine.push_back(static_cast<float>(value));
    for (const double value : random_colour(recipe, random))
      colour.push_back(static_cast<float>(value));
  }
  const at::Tensor theta = at::tensor(affine, at::kFloat).view({n, 2, 3}).to(pictures.device());
  const at::Tensor map = at::tensor(colour, at::kFloat).view({n, 3, 4}).to(pictures.device());
  const at::Tensor grid = at::affine_grid_generator(theta, pictures.sizes(), false);
  constexpr int64_t kBilinear = 0;
  constexpr int64_t kBorder = 1;
  at::Tensor out = at::grid_sampler(pictures, grid, kBilinear, kBorder, false);
  out =
      at::baddbmm(map.narrow(2, 3, 1), map.narrow(2, 0, 3), out.flatten(2)).view(pictures.sizes());
  if (recipe.noise > 0.0) out = add_noise(out, recipe, random);
  if (recipe.cutout > 0.0) cut_squares(out, recipe, random);
  return out.clamp_(0.0, 1.0);
}

}  // namespace vila::train
