// SPDX-License-Identifier: Apache-2.0
#include "train/fused.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace vila::train::fused {
namespace {

constexpr Rows kRows = {0, 3, 37};  // a width that no vector divides

std::vector<float> random_values(size_t count, uint64_t stream) {
  Random random(7, stream);
  std::vector<float> values(count);
  for (float& value : values)
    value = static_cast<float>(random.normal());
  return values;
}

/// Gradient of sum(out * weight) by x[index], by central differences in double.
double numeric_gradient(const std::function<double(const std::vector<double>&)>& loss,
                        const std::vector<float>& x, size_t index) {
  std::vector<double> moved(x.begin(), x.end());
  moved[index] += 1e-5;
  const double up = loss(moved);
  moved[index] -= 2e-5;
  return (up - loss(moved)) / 2e-5;
}

TEST(Fused, RmsNormGradientIsThatOfItsFormula) {
  const auto x = random_values(111, 1);
  const auto weight = random_values(37, 2);
  const auto grad = random_values(111, 3);
  std::vector<float> y(111), rstd(3), grad_x(111), grad_weight(37);
  rms_norm(kRows, x.data(), weight.data(), 1e-5F, y.data(), rstd.data());
  rms_norm_grad(kRows, RmsNormGrad<float>{grad.data(), x.data(), weight.data(), rstd.data(),
                                          grad_x.data(), grad_weight.data()});
  const auto loss = [&](const std::vector<double>& v) {
    double sum = 0.0;
    for (size_t r = 0; r < 3; ++r) {
      double squares = 0.0;
      for (size_t i = 0; i < 37; ++i)
        squares += v[r * 37 + i] * v[r * 37 + i];
      const double scale = 1.0 / std::sqrt(squares / 37.0 + 1e-5);
      for (size_t i = 0; i < 37; ++i)
        sum += v[r * 37 + i] * scale * weight[i] * grad[r * 37 + i];
    }
    return sum;
  };
  double forward = 0.0;
  for (size_t i = 0; i < 111; ++i)
    forward += y[i] * grad[i];
  EXPECT_NEAR(forward, loss({x.begin(), x.end()}), 1e-4);
  for (const size_t i : {0U, 40U, 110U})
    EXPECT_NEAR(grad_x[i], numeric_gradient(loss, x, i), 1e-4);
}

TEST(Fused, LayerNormGradientIsThatOfItsFormula) {
  const auto x = random_values(111, 1);
  const auto weight = random_values(37, 2);
  const auto bias = random_values(37, 4);
  const auto grad = random_values(111, 3);
  std::vector<float> y(111), mean(3), rstd(3), grad_x(111), grad_weight(37), grad_bias(37);
  layer_norm(kRows, LayerNorm<float>{x.data(), weight.data(), bias.data(), 1e-5F, y.data(),
                                     mean.data(), rstd.data()});
  layer_norm_grad(
      kRows, LayerNormGrad<float>{grad.data(), x.data(), weight.data(), mean.data(), rstd.data(),
                                  grad_x.data(), grad_weight.data(), grad_bias.data()});
  const auto loss = [&](const std::vector<double>& v) {
    double sum = 0.0;
    for (size_t r = 0; r < 3; ++r) {
      double middle = 0.0;
      double squares = 0.0;
      for (size_t i = 0; i < 37; ++i)
        middle += v[r * 37 + i] / 37.0;
      for (size_t i = 0; i < 37; ++i)
        squares += std::pow(v[r * 37 + i] - middle, 2.0) / 37.0;
      for (size_t i = 0; i < 37; ++i) {
        const double normal = (v[r * 37 + i] - middle) / std::sqrt(squares + 1e-5);
        sum += (normal * weight[i] + bias[i]) * grad[r * 37 + i];
      }
    }
    return sum;
  };
  for (const size_t i : {0U, 40U, 110U})
    EXPECT_NEAR(grad_x[i], numeric_gradient(loss, x, i), 1e-4);
  EXPECT_NEAR(grad_bias[5], grad[5] + grad[42] + grad[79], 1e-5);
}

TEST(Fused, ActivationGradientsAreThoseOfTheirFormulas) {
  const auto gate = random_values(111, 1);
  const auto up = random_values(111, 2);
  const std::vector<float> ones(111, 1.0F);
  std::vector<float> grad_gate(111), grad_up(111), grad_gelu(111);
  swiglu_grad(kRows, SwigluGrad<float>{ones.data(), gate.data(), up.data(), grad_gate.data(),
                                       grad_up.data()});
  quick_gelu_grad(kRows, ones.data(), gate.data(), grad_gelu.data());
  const auto silu = [](double x) { return x / (1.0 + std::exp(-x)); };
  const auto gelu = [](double x) { return x / (1.0 + std::exp(-1.702 * x)); };
  for (size_t i = 0; i < 111; ++i) {
    const double x = gate[i];
    EXPECT_NEAR(grad_up[i], silu(x), 1e-5);
    EXPECT_NEAR(grad_gate[i], up[i] * (silu(x + 1e-5) - silu(x - 1e-5)) / 2e-5, 1e-4);
    EXPECT_NEAR(grad_gelu[i], (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5, 1e-4);
  }
}

TEST(Fused, CausalSoftmaxIgnoresWhatComesLater) {
  std::vector<float> scores = random_values(9, 1);
  std::vector<float> other = scores;
  other[1] = 99.0F;  // row 0 sees only column 0
  for (auto* s : {&scores, &other})
    softmax(Rows{0, 3, 3}, Softmax{0.5F, true}, s->data());
  EXPECT_EQ(scores, other);
  EXPECT_FLOAT_EQ(scores[0], 1.0F);
  EXPECT_FLOAT_EQ(scores[3] + scores[4], 1.0F);
  EXPECT_EQ(scores[5], 0.0F);
}

TEST(Fused, SoftmaxGradientSumsToZero) {
  std::vector<float> p = random_values(111, 1);
  std::vector<float> grad = random_values(111, 2);
  softmax(kRows, Softmax{1.0F, false}, p.data());
  softmax_grad(kRows, Softmax{1.0F, false}, p.data(), grad.data());
  double sum = 0.0;
  for (size_t i = 0; i < 37; ++i)
    sum += grad[i];
  EXPECT_NEAR(sum, 0.0, 1e-6);
}

TEST(Fused, CrossEntropyGivesLossAndGradient) {
  std::vector<float> logits = random_values(111, 1);
  const std::vector<float> before = logits;
  const std::vector<int64_t> targets = {0, 36, 5};
  std::vector<float> loss(3);
  cross_entropy(kRows, logits.data(), targets.data(), 0.5F, loss.data());
  for (size_t r = 0; r < 3; ++r) {
    double sum = 0.0;
    for (size_t i = 0; i < 37; ++i)
      sum += std::exp(static_cast<double>(before[r * 37 + i]));
    const auto target = static_cast<size_t>(targets[r]);
    EXPECT_NEAR(loss[r], std::log(sum) - before[r * 37 + target], 1e-5);
    const double p = std::exp(static_cast<double>(before[r * 37 + target])) / sum;
    EXPECT_NEAR(logits[r * 37 + target], 0.5 * (p - 1.0), 1e-6);
  }
}

TEST(Fused, HeadsComeBackWhereTheyWere) {
  const auto x = random_values(5 * 8, 1);  // 5 rows, 2 heads of 4
  const std::vector<int64_t> index = {3, 0, -1, 4, 1, 2};
  const HeadLayout layout{3, 2, 4, index.data()};
  std::vector<float> heads(2 * 2 * 3 * 4, 9.0F);
  std::vector<float> back(x.size(), 0.0F);
  split_heads(0, 2, layout, x.data(), heads.data());
  merge_heads(0, 2, layout, heads.data(), back.data());
  EXPECT_EQ(back, x);
  EXPECT_EQ(heads[8], 0.0F);           // the padding slot
  EXPECT_EQ(heads[0], x[3 * 8]);       // first slot: row 3, head 0
  EXPECT_EQ(heads[12], x[3 * 8 + 4]);  // head 1 of it
}

TEST(Fused, RopeTurnsBack) {
  const auto x = random_values(3 * 8, 1);
  std::vector<float> cosine, sine;
  for (int i = 0; i < 12; ++i) {
    cosine.push_back(std::cos(static_cast<float>(i)));
    sine.push_back(std::sin(static_cast<float>(i)));
  }
  std::vector<float> turned(24), back(24);
  rope(Rows{0, 3, 8}, Rope<float>{x.data(), cosine.data(), sine.data(), 8, 1.0F, turned.data()});
  rope(Rows{0, 3, 8},
       Rope<float>{turned.data(), cosine.data(), sine.data(), 8, -1.0F, back.data()});
  for (size_t i = 0; i < 24; ++i)
    EXPECT_NEAR(back[i], x[i], 1e-6);
}

TEST(Fused, Bf16RoundsTheF32Result) {
  const auto gate = random_values(111, 1);
  const auto up = random_values(111, 2);
  std::vector<bf16> gate16, up16, out16(111);
  std::vector<float> gate32, up32, out(111);
  for (size_t i = 0; i < 111; ++i) {
    gate16.push_back(to_bf16(gate[i]));
    up16.push_back(to_bf16(up[i]));
    gate32.push_back(to_f32(gate16[i]));
    up32.push_back(to_f32(up16[i]));
  }
  swiglu(kRows, gate16.data(), up16.data(), out16.data());
  swiglu(kRows, gate32.data(), up32.data(), out.data());
  for (size_t i = 0; i < 111; ++i)
    EXPECT_EQ(out16[i].bits, to_bf16(out[i]).bits);
}

TEST(Fused, AdamWFollowsItsFormulas) {
  // The formulas of torch.optim.AdamW in float64, gradients 2 and -1.
  float parameter = 1.0F, mean = 0.0F, variance = 0.0F;
  double p = 1.0, m = 0.0, v = 0.0;
  int t = 0;
  for (const float grad : {2.0F, -1.0F}) {
    ++t;
    const double c1 = 1.0 - std::pow(0.9, t);
    const double c2 = 1.0 - std::pow(0.99, t);
    adamw(0, 1,
          AdamW{&parameter, &grad, &mean, &variance, 1.0F, 0.1F, 0.9F, 0.99F, 1e-8F, 0.5F,
                static_cast<float>(c1), static_cast<float>(c2)});
    p *= 1.0 - 0.1 * 0.5;
    m = 0.9 * m + 0.1 * grad;
    v = 0.99 * v + 0.01 * grad * grad;
    p -= 0.1 * (m / c1) / (std::sqrt(v / c2) + 1e-8);
    EXPECT_NEAR(parameter, p, 1e-6) << t;
  }
}

}  // namespace
}  // namespace vila::train::fused
