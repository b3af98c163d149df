// SPDX-License-Identifier: Apache-2.0
// The vision tower in 8 bits against one layer of the reference (conformance/awq/w8a8).
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "formats/weight_file.h"
#include "kernels/select.h"
#include "model/vision_int8.h"
#include "ops/ops.h"

namespace vila {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kImages = 2;
constexpr int64_t kHeads = 4;

fs::path recorded_file() {
  return fs::path(VILA_SOURCE_DIR) / "../shared/conformance/awq/w8a8/layer.safetensors";
}

class W8A8 : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(recorded_file())) GTEST_SKIP() << recorded_file() << " is not here";
    recorded_ = formats::read_weight_file(recorded_file());
  }

  Tensor f32(const std::string& name) const { return recorded_.at(name).to(DType::f32); }

  Tensor original(const std::string& name) const { return f32("original." + name); }

  std::vector<Tensor> query_key_value() const {
    return {original("self_attn.q_proj.weight"), original("self_attn.k_proj.weight"),
            original("self_attn.v_proj.weight")};
  }

  formats::TensorMap recorded_;
};

double rms_of_difference(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double d = static_cast<double>(a.data<float>()[i] - b.data<float>()[i]);
    sum += d * d;
  }
  return std::sqrt(sum / static_cast<double>(a.numel()));
}

void expect_close(const Tensor& actual, const Tensor& expected, float share) {
  ASSERT_EQ(actual.numel(), expected.numel());
  for (int64_t i = 0; i < actual.numel(); ++i) {
    const float value = expected.data<float>()[i];
    ASSERT_NEAR(actual.data<float>()[i], value, share * std::abs(value)) << i;
  }
}

Tensor divided(const Tensor& values, const Tensor& scales) {
  const Tensor result = values.to(DType::f32);
  for (int64_t i = 0; i < result.numel(); ++i)
    result.data<float>()[i] /= scales.data<float>()[i];
  return result;
}

Tensor multiplied(const Tensor& weight, const Tensor& scales) {
  const Tensor result = weight.to(DType::f32);
  for (int64_t i = 0; i < result.numel(); ++i)
    result.data<float>()[i] *= scales.data<float>()[i % scales.numel()];
  return result;
}

TEST_F(W8A8, SmoothsNormsAndWeightsAsTheReference) {
  const Tensor attention =
      model::smoothing_scales(f32("act_max.self_attn.q_proj"), query_key_value());
  const std::vector<Tensor> fc1 = {original("mlp.fc1.weight")};
  const Tensor mlp = model::smoothing_scales(f32("act_max.mlp.fc1"), fc1);
  for (const char* part : {"weight", "bias"}) {
    const std::string first = std::string("layer_norm1.") + part;
    const std::string second = std::string("layer_norm2.") + part;
    expect_close(divided(original(first), attention), f32("smoothed." + first), 1e-6F);
    expect_close(divided(original(second), mlp), f32("smoothed." + second), 1e-6F);
  }
  expect_close(multiplied(original("self_attn.q_proj.weight"), attention),
               f32("smoothed.self_attn.q_proj.weight"), 1e-6F);
}

/// One layer whose matrices and norms are given by name.
struct Layer {
  std::map<std::string, PackedMatrix> matrices;
  std::map<std::string, Tensor> vectors;
  ops::Context& ctx;

  Tensor linear(const std::string& name, const Tensor& x) {
    return ops::linear(ctx, x, matrices.at(name), vectors.at(name + ".bias"));
  }

  Tensor norm(const std::string& name, const Tensor& x) {
    return ops::layer_norm(ctx, x, vectors.at(name + ".weight"), vectors.at(name + ".bias"), 1e-6);
  }

  Tensor operator()(const Tensor& x) {
    const Tensor n = norm("layer_norm1", x);
    const Tensor mixed =
        ops::attend_full(ctx, linear("self_attn.q_proj", n), linear("self_attn.k_proj", n),
                         linear("self_attn.v_proj", n), kImages, kHeads);
    const Tensor h = ops::add(ctx, x, linear("self_attn.out_proj", mixed));
    const Tensor wide = ops::gelu_tanh(ctx, linear("mlp.fc1", norm("layer_norm2", h)));
    return ops::add(ctx, h, linear("mlp.fc2", wide));
  }
};

TEST_F(W8A8, IsAsFarFromFloatAsTheReference) {
  Arena arena;
  ThreadPool pool(2);
  ops::Context ctx{arena, pool, kernels::best_kernels(), {}};
  Layer layer{{}, {}, ctx};
  const Tensor attention =
      model::smoothing_scales(f32("act_max.self_attn.q_proj"), query_key_value());
  const std::vector<Tensor> fc1 = {original("mlp.fc1.weight")};
  const Tensor mlp = model::smoothing_scales(f32("act_max.mlp.fc1"), fc1);
  for (const std::string name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                 "self_attn.out_proj", "mlp.fc1", "mlp.fc2"}) {
    Tensor weight = original(name + ".weight");
    if (name == "mlp.fc1") {
      weight = multiplied(weight, mlp);
    } else if (name.starts_with("self_attn") && name != "self_attn.out_proj") {
      weight = multiplied(weight, attention);
    }
    layer.matrices[name] = quantise_rows_8bit(weight, weight.dim(1));
    layer.vectors[name + ".bias"] = original(name + ".bias");
  }
  for (const char* part : {".weight", ".bias"}) {
    layer.vectors[std::string("layer_norm1") + part] =
        divided(original(std::string("layer_norm1") + part), attention);
    layer.vectors[std::string("layer_norm2") + part] =
        divided(original(std::string("layer_norm2") + part), mlp);
  }
  const Tensor x = f32("x").reshape({-1, 128});

  const Tensor y = layer(x);

  const Tensor truth = f32("y_fp").reshape({-1, 128});
  const double reference = rms_of_difference(f32("y_int8").reshape({-1, 128}), truth);
  EXPECT_NEAR(rms_of_difference(y, truth) / reference, 1.0, 0.1);
  // Both round, but not the same bits: scales here are the next f16 upwards.
  EXPECT_LT(rms_of_difference(y, f32("y_int8").reshape({-1, 128})), reference);
}

}  // namespace
}  // namespace vila
