// SPDX-License-Identifier: Apache-2.0
#include "formats/lora.h"

#include <gtest/gtest.h>

#include "formats/safetensors.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::formats {
namespace {

using test::expect_error;

Tensor matrix(const Shape& shape, const std::vector<float>& values) {
  Tensor tensor = Tensor::empty(DType::f32, shape);
  std::copy(values.begin(), values.end(), tensor.values<float>().begin());
  return tensor;
}

const std::string kModule = "model.layers.0.self_attn.q_proj";
const std::string kSaved = "base_model.model." + kModule;

class Lora : public testing::Test {
 protected:
  void configure(const std::string& members = R"("r": 1, "lora_alpha": 2)") const {
    folder_.write("adapter_config.json", R"({"peft_type": "LORA", )" + members + "}");
  }

  void save(const std::vector<NamedTensor>& tensors) const {
    write_safetensors(folder_ / "adapter_model.safetensors", tensors);
  }

  /// What merging makes of W = [[1, 2, 3], [4, 5, 6]].
  std::vector<float> merged() {
    weights_[kModule + ".weight"] = matrix({2, 3}, {1, 2, 3, 4, 5, 6});
    apply_lora(folder_.path(), AdapterPlace::merged, {weights_, quantised_, changes_});
    const auto values = weights_[kModule + ".weight"].values<float>();
    return {values.begin(), values.end()};
  }

  /// A = [1, 0, -1], B = [[1], [10]].
  std::vector<NamedTensor> pair(const std::string& module = kSaved) const {
    return {{module + ".lora_A.weight", matrix({1, 3}, {1, 0, -1})},
            {module + ".lora_B.weight", matrix({2, 1}, {1, 10})}};
  }

  void expect_refusal(const std::string& part) {
    expect_error(ErrorCode::invalid_model, part, [&] { merged(); });
  }

  test::TemporaryFolder folder_;
  TensorMap weights_;
  QuantisedMap quantised_;
  ChangeMap changes_;
};

TEST_F(Lora, AddsTheProductTimesAlphaOverRank) {
  configure();
  save(pair());

  EXPECT_EQ(merged(), (std::vector<float>{3, 2, 1, 24, 5, -14}));
}

TEST_F(Lora, DividesByTheRootOfTheRankWhereAskedTo) {
  configure(R"("r": 4, "lora_alpha": 2, "use_rslora": true)");
  const LoraConfig config = read_lora_config(folder_.path());

  EXPECT_DOUBLE_EQ(config.scale_of(kModule), 1.0);
}

TEST_F(Lora, TakesRankAndAlphaOfPatternsForTheModulesTheyName) {
  configure(R"("r": 8, "lora_alpha": 16, "rank_pattern": {"q_proj": 1},
               "alpha_pattern": {"layers.0.self_attn.q_proj": 3})");
  const LoraConfig config = read_lora_config(folder_.path());

  EXPECT_DOUBLE_EQ(config.scale_of(kModule), 3.0);
  EXPECT_EQ(config.rank_of(kModule), 1);
  EXPECT_DOUBLE_EQ(config.scale_of("model.layers.0.self_attn.k_proj"), 2.0);
  EXPECT_EQ(config.rank_of("model.layers.0.self_attn.other_q_proj"), 8);
}

TEST_F(Lora, RefusesWhatIsNoPlainLora) {
  for (const std::string member :
       {R"("use_qalora": true)", R"("alora_invocation_tokens": [1])",
        R"("layer_replication": [[0, 2]])", R"("init_lora_weights": "pissa_niter_4")",
        R"("trainable_token_indices": {"embed_tokens": [1]})"}) {
    SCOPED_TRACE(member);
    configure(R"("r": 1, "lora_alpha": 2, )" + member);
    save(pair());
    expect_refusal("with PEFT first");
  }
  configure(R"("r": 1, "lora_alpha": 2, "init_lora_weights": "gaussian", "use_qalora": false,
               "layer_replication": null)");
  EXPECT_EQ(merged(), (std::vector<float>{3, 2, 1, 24, 5, -14}));
}

TEST_F(Lora, StaysBesideItsWeightWhereAskedTo) {
  configure();
  save(pair());
  weights_[kModule + ".weight"] = matrix({2, 3}, {1, 2, 3, 4, 5, 6});

  apply_lora(folder_.path(), AdapterPlace::beside, {weights_, quantised_, changes_});

  EXPECT_EQ(weights_[kModule + ".weight"].values<float>()[0], 1.0F);
  const LowRankChange& change = changes_.at(kModule);
  EXPECT_EQ(change.a.shape(), (Shape{1, 3}));
  EXPECT_EQ(change.b.values<float>()[1], 20.0F) << "the scale stands in B";
  EXPECT_FALSE(change.gain.defined());
  EXPECT_EQ(change.bytes(), 5 * 4);
}

TEST_F(Lora, GoesBesidePackedWeightsAndIsNotMergedIntoThem) {
  configure();
  const int64_t width = 16;
  save({{kSaved + ".lora_A.weight", Tensor::zeros(DType::f32, {1, width})},
        {kSaved + ".lora_B.weight", Tensor::zeros(DType::f32, {2, 1})}});
  quantised_.emplace(
      kModule + ".weight",
      quantised(quantise_rows_8bit(matrix({2, width}, std::vector<float>(32, 1)), width)));
  const AdaptedWeights base{weights_, quantised_, changes_};

  expect_error(ErrorCode::invalid_model, "--adapter auto",
               [&] { apply_lora(folder_.path(), AdapterPlace::merged, base); });
  apply_lora(folder_.path(), AdapterPlace::beside_packed, base);
  EXPECT_TRUE(changes_.contains(kModule));
  expect_error(ErrorCode::invalid_model, "found a second",
               [&] { apply_lora(folder_.path(), AdapterPlace::beside_packed, base); });
}

TEST_F(Lora, ReplacesAPackedMatrixThatWasTrainedWhole) {
  quantised_.emplace("lm_head.weight",
                     quantised(quantise_rows_8bit(matrix({2, 16}, std::vector<float>(32, 1)), 16)));
  const AdaptedWeights base{weights_, quantised_, changes_};

  expect_error(ErrorCode::invalid_model, "[2, 16]", [&] {
    replace_whole("lm_head.weight", matrix({1, 2}, {1, 2}), "adapter", base);
  });
  replace_whole("lm_head.weight", matrix({2, 16}, std::vector<float>(32, 5)), "adapter", base);

  EXPECT_TRUE(quantised_.empty());
  EXPECT_EQ(weights_.at("lm_head.weight").values<float>()[0], 5.0F);
}

TEST_F(Lora, RestoresTheLengthOfRowsForDora) {
  configure(R"("r": 1, "lora_alpha": 1, "use_dora": true)");
  save({{kSaved + ".lora_A.weight", matrix({1, 3}, {2, 2, -3})},
        {kSaved + ".lora_B.weight", matrix({2, 1}, {1, 0})},
        {kSaved + ".lora_magnitude_vector", matrix({2}, {10, 1})}});

  const std::vector<float> rows = merged();

  // [1 2 3] + [2 2 -3] = [3 4 0], of length 5, becomes one of length 10; [4 5 6] one of length 1.
  const std::vector<float> expected = {6, 8, 0, 0.455842F, 0.569803F, 0.683763F};
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_NEAR(rows[i], expected[i], 1e-5F) << i;
}

TEST_F(Lora, ChangesEmbeddingsByTheTransposedProduct) {
  configure(R"("r": 1, "lora_alpha": 1)");
  weights_["model.embed_tokens.weight"] = matrix({2, 3}, {0, 0, 0, 1, 1, 1});
  save({{"base_model.model.model.embed_tokens.lora_embedding_A", matrix({1, 2}, {1, 2})},
        {"base_model.model.model.embed_tokens.lora_embedding_B", matrix({3, 1}, {5, 6, 7})}});

  apply_lora(folder_.path(), AdapterPlace::merged, {weights_, quantised_, changes_});

  const auto values = weights_["model.embed_tokens.weight"].values<float>();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()),
            (std::vector<float>{5, 6, 7, 11, 13, 15}));
}

TEST_F(Lora, ReplacesModulesThatWereTrainedWhole) {
  configure();
  auto tensors = pair();
  tensors.push_back({"base_model.model.lm_head.weight", matrix({1, 2}, {8, 9})});
  save(tensors);
  weights_["lm_head.weight"] = matrix({1, 2}, {0, 0});

  merged();

  EXPECT_EQ(weights_["lm_head.weight"].values<float>()[1], 9.0F);
}

TEST_F(Lora, KeepsTheTypeOfTheBase) {
  configure();
  save(pair());
  weights_[kModule + ".weight"] = matrix({2, 3}, {1, 2, 3, 4, 5, 6}).to(DType::bf16);

  apply_lora(folder_.path(), AdapterPlace::merged, {weights_, quantised_, changes_});

  EXPECT_EQ(weights_[kModule + ".weight"].dtype(), DType::bf16);
}

TEST_F(Lora, IsRefusedWhenItIsOfAnotherModel) {
  configure();
  save(pair("base_model.model.model.layers.7.self_attn.q_proj"));
  expect_refusal("layers.7.self_attn.q_proj");

  save({{kSaved + ".lora_A.weight", matrix({1, 4}, {1, 0, -1, 0})},
        {kSaved + ".lora_B.weight", matrix({2, 1}, {1, 10})}});
  expect_refusal("lora_A: expected [1, 3]");

  save({pair()[0]});
  expect_refusal("lora_A alone");
}

TEST_F(Lora, IsRefusedWhenTheRankIsNotThatOfTheConfig) {
  configure(R"("r": 2, "lora_alpha": 2)");
  save(pair());

  expect_refusal("expected [2, 3]");
}

TEST_F(Lora, IsRefusedWhenItCannotBeMerged) {
  save(pair());
  for (const char* members : {R"("r": 0)", R"("r": 1, "bias": "all")",
                              R"("r": 1, "fan_in_fan_out": true)", R"("r": 1, "lora_bias": true)",
                              R"("r": 1, "rank_pattern": {"^model.*": 1})", R"("r": "x")"}) {
    SCOPED_TRACE(members);
    configure(members);
    expect_refusal("adapter_config.json");
  }
  folder_.write("adapter_config.json", R"({"peft_type": "IA3"})");
  expect_refusal("IA3");
  folder_.write("adapter_config.json", "[]");
  expect_refusal("object");
}

TEST(FlatTrainingName, DropsWhatWrapsTheModel) {
  const std::pair<const char*, const char*> rows[] = {
      {"base_model.model.model.layers.0.mlp.up_proj", "model.layers.0.mlp.up_proj"},
      {"base_model.model.lm_head.weight", "lm_head.weight"},
      {"base_model.model.llm.model.layers.0.mlp.up_proj", "model.layers.0.mlp.up_proj"},
      {"base_model.model.llm.lm_head.weight", "lm_head.weight"},
      {"base_model.model.model.mm_projector.0.weight", "model.mm_projector.0.weight"},
      {"model.model.mm_projector.0.weight", "model.mm_projector.0.weight"},
      {"model.mm_projector.2.bias", "model.mm_projector.2.bias"},
      {"mm_projector.layers.1.weight", "model.mm_projector.1.weight"},
      {"base_model.model.mm_projector.layers.4.bias", "model.mm_projector.4.bias"},
      {"base_model.model.vision_tower.vision_tower.vision_model.head.w",
       "model.vision_tower.vision_tower.vision_model.head.w"}};
  for (const auto& [saved, flat] : rows)
    EXPECT_EQ(flat_training_name(saved), flat);
}

}  // namespace
}  // namespace vila::formats
