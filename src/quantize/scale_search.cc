// SPDX-License-Identifier: Apache-2.0
#include "quantize/scale_search.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace vila::quantize {
namespace {

constexpr std::array<size_t, 3> kQueries = {kQ, kK, kV};
constexpr std::array<size_t, 1> kOutput = {kO};
constexpr std::array<size_t, 2> kGateUp = {kGate, kUp};
constexpr std::array<size_t, 1> kDownOnly = {kDown};

constexpr float kLeastScale = 1e-4F;
constexpr int64_t kRowsPerTask = 8;

Tensor mean_magnitude(const Tensor& x) {
  const int64_t width = x.dim(1);
  std::vector<double> sums(static_cast<size_t>(width), 0);
  for (int64_t t = 0; t < x.dim(0); ++t) {
    const float* row = x.data<float>() + t * width;
    for (int64_t k = 0; k < width; ++k)
      sums[static_cast<size_t>(k)] += std::abs(double{row[k]});
  }
  Tensor mean = Tensor::empty(DType::f32, {width});
  for (int64_t k = 0; k < width; ++k) {
    mean.data<float>()[k] =
        static_cast<float>(sums[static_cast<size_t>(k)] / static_cast<double>(x.dim(0)));
  }
  return mean;
}

// mean^r, bounded below, its geometric middle at 1.
Tensor scales_at(const Tensor& mean, int exponent) {
  const float r = static_cast<float>(exponent) / static_cast<float>(kExponents);
  Tensor scales = Tensor::empty(DType::f32, mean.shape());
  const std::span<float> values = scales.values<float>();
  std::ranges::transform(mean.values<float>(), values.begin(),
                         [&](float x) { return std::max(std::pow(x, r), kLeastScale); });
  const auto [least, greatest] = std::ranges::minmax(values);
  const float middle = std::sqrt(greatest * least);
  for (float& s : values)
    s /= middle;
  return scales;
}

// round(W * s) / s, row by row.
Tensor tried_weight(const Tensor& weight, const Tensor& scales, const GridOptions& options,
                    ThreadPool& pool) {
  Tensor tried = Tensor::empty(DType::f32, weight.shape());
  const float* s = scales.data<float>();
  const auto width = static_cast<size_t>(weight.dim(1));
  pool.parallel_for(weight.dim(0), kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const float* from = weight.rows(n, n + 1).data<float>();
      const std::span<float> row = tried.rows(n, n + 1).values<float>();
      for (size_t k = 0; k < width; ++k)
        row[k] = from[k] * s[k];
      round_row(row, options);
      for (size_t k = 0; k < width; ++k)
        row[k] /= s[k];
    }
  });
  return tried;
}

// The part of the layer whose output tells the error.
void inspect(const BlockRunner& runner, const Block& block, const BlockInputs& inputs,
             Absorber absorber, const BlockRunner::Visit& visit) {
  switch (absorber) {
    case Absorber::input_norm:
      return runner.attention(block, inputs.attention, visit);
    case Absorber::v_proj:
      return runner.linear(block.linears[kO], inputs.output, visit);
    case Absorber::post_attention_norm:
      return runner.mlp(block, inputs.mlp, visit);
    case Absorber::up_proj:
      return runner.linear(block.linears[kDown], inputs.down, visit);
  }
}

// In four sums, so that the additions do not wait for one another.
double squared_distance(const Tensor& rows, const float* expected) {
  std::array<double, 4> sums{};
  const float* values = rows.data<float>();
  const int64_t whole = rows.numel() / 4 * 4;
  for (int64_t i = 0; i < whole; i += 4) {
    for (size_t j = 0; j < sums.size(); ++j) {
      const auto at = i + static_cast<int64_t>(j);
      const double difference = double{values[at]} - double{expected[at]};
      sums[j] += difference * difference;
    }
  }
  for (int64_t i = whole; i < rows.numel(); ++i)
    sums[0] += std::pow(double{values[i]} - double{expected[i]}, 2);
  return sums[0] + sums[1] + sums[2] + sums[3];
}

void scale_rows(const Tensor& matrix, const float* s) {
  const int64_t width = matrix.rank() == 2 ? matrix.dim(1) : 1;
  float* value = matrix.data<float>();
  for (int64_t n = 0; n < matrix.dim(0); ++n) {
    for (int64_t k = 0; k < width; ++k)
      *value++ /= s[n];
  }
}

/// The search of one group.
class ScaleSearch {
 public:
  ScaleSearch(const BlockRunner& runner, const Block& block, const BlockInputs& inputs,
              const ScaleGroup& group, const GridOptions& options)
      : runner_(runner), block_(block), inputs_(inputs), group_(group), options_(options) {
    expected_ = runner.collect([&](const BlockRunner::Visit& visit) {
      inspect(runner, block, inputs, group.absorber, visit);
    });
    choice_.absorber = group.absorber;
    choice_.x_mean = mean_magnitude(inputs.of(group.linears.front()));
    choice_.exponent = kFirstExponent;
  }

  ScaleChoice run(Losses losses) {
    for (int tried = 0; tried < kExponents; ++tried)
      try_exponent(nearest_untried(), losses);
    return std::move(choice_);
  }

 private:
  // Where most layers have their best, or nearly.
  static constexpr int kFirstExponent = 8;

  double& loss_of(int exponent) { return choice_.losses[static_cast<size_t>(exponent)]; }

  int nearest_untried() const {
    for (int distance = 0;; ++distance) {
      for (const int i : {choice_.exponent - distance, choice_.exponent + distance}) {
        if (i >= 0 && i < kExponents && !is_tried_[static_cast<size_t>(i)]) return i;
      }
    }
  }

  void try_exponent(int exponent, Losses losses) {
    const Tensor scales = scales_at(choice_.x_mean, exponent);
    const double least = choice_.scales.defined() ? loss_of(choice_.exponent) : INFINITY;
    const double loss = loss_at(scales, losses == Losses::all ? INFINITY : least);
    if (!std::isfinite(loss)) {
      fail(ErrorCode::invalid_model, "{}{}: expected a finite error at exponent {}/{}, found {}",
           block_.prefix(), absorber_name(group_.absorber), exponent, kExponents, loss);
    }
    is_tried_[static_cast<size_t>(exponent)] = true;
    loss_of(exponent) = loss;
    if (loss > least || (loss == least && exponent > choice_.exponent)) return;
    choice_.exponent = exponent;
    choice_.scales = scales;
  }

  // The mean square change of the output; a part of it once that exceeds `bound`.
  double loss_at(const Tensor& scales, double bound) const {
    Block trial = block_;
    for (const size_t linear : group_.linears) {
      trial.linears[linear].weight =
          tried_weight(block_.linears[linear].weight, scales, options_, runner_.context().pool);
    }
    const auto count = static_cast<double>(expected_.numel());
    double loss = 0;
    inspect(runner_, trial, inputs_, group_.absorber, [&](int64_t first, const Tensor& rows) {
      const float* expected = expected_.rows(first, first + rows.dim(0)).data<float>();
      loss += squared_distance(rows, expected) / count;
      return loss <= bound;
    });
    return loss;
  }

  const BlockRunner& runner_;
  const Block& block_;
  const BlockInputs& inputs_;
  const ScaleGroup& group_;
  const GridOptions& options_;
  Tensor expected_;  // [T, .]: the output that is kept to
  ScaleChoice choice_;
  std::array<bool, kExponents> is_tried_{};
};

}  // namespace

std::vector<ScaleGroup> scale_groups(const Block& block) {
  std::vector<ScaleGroup> groups = {{Absorber::input_norm, kQueries}};
  if (block.linears[kV].weight.shape() == block.linears[kO].weight.shape()) {
    groups.push_back({Absorber::v_proj, kOutput});
  }
  groups.push_back({Absorber::post_attention_norm, kGateUp});
  groups.push_back({Absorber::up_proj, kDownOnly});
  return groups;
}

const char* absorber_name(Absorber absorber) noexcept {
  constexpr std::array<const char*, 4> kNames = {"input_layernorm", "self_attn.v_proj",
                                                 "post_attention_layernorm", "mlp.up_proj"};
  return kNames[static_cast<size_t>(absorber)];
}

ScaleChoice search_scales(const BlockRunner& runner, const Block& block, const BlockInputs& inputs,
                          const ScaleGroup& group, const GridOptions& options, Losses losses) {
  return ScaleSearch(runner, block, inputs, group, options).run(losses);
}

void divide_columns(Tensor& x, const Tensor& scales) {
  const float* s = scales.data<float>();
  float* value = x.data<float>();
  for (int64_t t = 0; t < x.dim(0); ++t) {
    for (int64_t k = 0; k < x.dim(1); ++k)
      *value++ /= s[k];
  }
}

void fold_scales(Block& block, const ScaleGroup& group, const Tensor& scales) {
  const float* s = scales.data<float>();
  const auto divided = [&](const Tensor& tensor) {
    const Tensor copy = tensor.to(DType::f32);
    scale_rows(copy, s);
    return copy;
  };
  const auto divide_linear = [&](BlockLinear& linear) {
    linear.weight = divided(linear.weight);
    if (linear.bias.defined()) linear.bias = divided(linear.bias);
  };
  switch (group.absorber) {
    case Absorber::input_norm:
      block.input_norm = divided(block.input_norm);
      break;
    case Absorber::v_proj:
      divide_linear(block.linears[kV]);
      break;
    case Absorber::post_attention_norm:
      block.post_attention_norm = divided(block.post_attention_norm);
      break;
    case Absorber::up_proj:
      divide_linear(block.linears[kUp]);
      break;
  }
  for (const size_t linear : group.linears) {
    Tensor weight = block.linears[linear].weight.to(DType::f32);
    float* value = weight.data<float>();
    for (int64_t n = 0; n < weight.dim(0); ++n) {
      for (int64_t k = 0; k < weight.dim(1); ++k)
        *value++ *= s[k];
    }
    block.linears[linear].weight = weight;
  }
}

}  // namespace vila::quantize
