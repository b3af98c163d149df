// SPDX-License-Identifier: Apache-2.0
#include "train/recipe.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temporary_folder.h"

namespace vila::train {
namespace {

constexpr const char* kText = R"(stage: text
output: out/text
tokenizer: tok
data: [{path: a.jsonl, kind: text, repeat: 2}]
train: {steps: 10}
)";

/// The message of the error that reading `content` throws.
std::string refusal(const std::string& content, const std::vector<std::string>& overrides = {}) {
  const test::TemporaryFolder folder;
  const auto file = folder.write("recipe.yaml", content);
  try {
    read_recipes(file, overrides);
  } catch (const Error& error) {
    return error.message();
  }
  return "nothing was thrown";
}

Recipe read(const std::string& content, const std::vector<std::string>& overrides = {}) {
  const test::TemporaryFolder folder;
  return read_recipes(folder.write("recipe.yaml", content), overrides).at(0);
}

void expect_refusal(const std::string& content, const std::string& part) {
  EXPECT_NE(refusal(content).find(part), std::string::npos) << refusal(content);
}

TEST(Recipe, ReadsAStage) {
  const Recipe recipe = read(kText);
  EXPECT_EQ(recipe.stage, Stage::text);
  EXPECT_EQ(recipe.data.at(0).repeat, 2.0);
  EXPECT_EQ(recipe.data.at(0).name, "a");
  EXPECT_EQ(recipe.train.steps, 10);
  EXPECT_EQ(recipe.cache, "out/cache");
}

TEST(Recipe, OverridesReplaceAndAddKeys) {
  const Recipe recipe = read(kText, {"train.steps=7", "optimizer.lr=0.5", "freeze=[llm]"});
  EXPECT_EQ(recipe.train.steps, 7);
  EXPECT_EQ(recipe.optimizer.lr, 0.5);
  EXPECT_TRUE(recipe.freezes("llm"));
  EXPECT_FALSE(recipe.freezes("vision_tower"));
}

TEST(Recipe, NamesAnUnknownKeyAndTheKnownOnes) {
  const std::string message = refusal(kText, {"train.stepz=1"});
  EXPECT_NE(message.find("train.stepz: unknown key"), std::string::npos) << message;
  EXPECT_NE(message.find("steps"), std::string::npos) << message;
}

TEST(Recipe, RefusesWhatMakesNoSense) {
  expect_refusal("stage: fly\n", "expected one of tower, text, align, pretrain, sft");
  expect_refusal("output: x\n", "stage: expected");
  expect_refusal("stage: text\ntokenizer: t\ntrain: {steps: 1}\n", "output: expected");
  expect_refusal(std::string(kText) + "freeze: [brain]\n", "brain");
  expect_refusal("stage: text\ntrain: {steps: many}\n", "expected a whole number");
  expect_refusal("stage: text\ntrain: {steps: 1, epochs: 1}\n", "expected one of `steps`");
  expect_refusal("stage: text\ntrain: {steps: 1}\noptimizer: {betas: [1, 2]}\n", "[0, 1)");
  expect_refusal(std::string(kText) + "freeze: [vision_tower]\naugment: {}\n", "augment");
  expect_refusal("stage: [\n", "recipe.yaml:");
}

TEST(Recipe, RefusesAMalformedOverride) {
  EXPECT_NE(refusal(kText, {"train.steps"}).find("expected key.key=value"), std::string::npos);
  EXPECT_NE(refusal(kText, {"stage.x=1"}).find("not a mapping"), std::string::npos);
}

TEST(Recipe, TheTowerTakesOnlyPairs) {
  std::string tower = kText;
  tower.replace(tower.find("stage: text"), 11, "stage: tower");
  expect_refusal(tower, "only pairs");
}

TEST(Recipe, ATowerGrowsInAscendingSteps) {
  std::string tower = kText;
  tower.replace(tower.find("stage: text"), 11, "stage: tower");
  expect_refusal(tower + "contrastive: {growth: [{from: 0.5, layers: 2}]}\n", "0 first");
  expect_refusal(tower + "contrastive: {growth: [{from: 0, layers: 3}, {from: 0.5, layers: 2}]}\n",
                 "ascending");
}

TEST(Recipe, ReadsAListOfStages) {
  const test::TemporaryFolder folder;
  folder.write("a.yaml", kText);
  folder.write("b.yaml", kText);
  const auto recipes =
      read_recipes(folder.write("all.yaml", "stages: [a.yaml, b.yaml]\n"), {"train.steps=3"});
  ASSERT_EQ(recipes.size(), 2U);
  EXPECT_EQ(recipes[1].train.steps, 3);
}

TEST(Recipe, TheShippedRecipesAreValid) {
  for (const char* name : {"all", "pretrain-frozen", "sft-no-text"}) {
    const std::string file = std::string(VILA_SOURCE_DIR "/recipes/nano/") + name + ".yaml";
    EXPECT_NO_THROW(read_recipes(file, {})) << name;
  }
}

}  // namespace
}  // namespace vila::train
