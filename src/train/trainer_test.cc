// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <stdexcept>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "media/decode.h"
#include "support/temporary_folder.h"
#include "support/tiny_tokenizer.h"

namespace vila::train {
namespace {

namespace fs = std::filesystem;

/// Toy data of every kind, and recipes of every stage on it.
class TrainerTest : public ::testing::Test {
 protected:
  TrainerTest() {
    test::write_tiny_tokenizer(folder_.path());
    std::string pairs, documents, text, turns;
    for (int i = 0; i < 12; ++i) {
      const std::string image = "p" + std::to_string(i) + ".png";
      write_picture(image, static_cast<uint64_t>(i));
      const std::string word(1, static_cast<char>('a' + i % 4));
      pairs += R"({"id":"i","image":")" + image + R"(","text":"a )" + word + R"(","concept":")" +
               word + "\"}\n";
      documents += R"({"id":"d","text_list":["see a )" + word +
                   R"("],"image_info":[{"image_name":")" + image +
                   R"(","matched_text_index":0}]})" + "\n";
      text += R"({"text":"the )" + word + R"( is there and the river is long"})" + "\n";
      turns += std::string(i == 0 ? "[" : ",") + R"({"id":"c","image":")" + image +
               R"(","conversations":[{"from":"human","value":"<image>\nWhat?"},)"
               R"({"from":"gpt","value":")" +
               word + "\"}]}";
    }
    folder_.write("pairs.jsonl", pairs);
    folder_.write("documents.jsonl", documents);
    folder_.write("text.jsonl", text);
    folder_.write("turns.json", turns + "]");
  }

  void write_picture(const std::string& name, uint64_t seed) {
    media::Image image(20, 16);
    Random random(seed);
    for (uint8_t& value : image.pixels)
      value = static_cast<uint8_t>(random.below(256));
    folder_.write(name, media::encode_png(image));
  }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  /// A recipe of `stage` whose output is `output`; `more` are further YAML lines.
  Recipe recipe(const std::string& stage, const std::string& output, const std::string& data,
                const std::string& more = "") const {
    const std::string yaml =
        "stage: " + stage + "\noutput: " + path(output) + "\ncache: " + path("cache") +
        "\ntokenizer: " + path("tokenizer.model") + "\ndata: [" + data + "]\n" + more + R"(
model:
  vision: {image_size: 16, patch_size: 8, hidden_size: 16, layers: 2, heads: 2,
           intermediate_size: 32}
  llm: {hidden_size: 16, layers: 2, heads: 2, intermediate_size: 32, max_position: 512}
contrastive: {text_hidden_size: 16, text_layers: 1, text_heads: 2, projection_dim: 8,
              other_names: 3, growth: [{from: 0, layers: 1}, {from: 0.5, layers: 2}]}
train: {steps: 6, tokens_per_batch: 480, max_length: 400, batch_size: 8, save_every: 2,
        validate_every: 0, gradient_accumulation: 2}
)";
    return read_recipes(folder_.write(output + ".yaml", yaml), {}).at(0);
  }

  std::string source(const std::string& file, const std::string& kind) const {
    return "{path: " + path(file) + ", kind: " + kind + "}";
  }

  /// Runs `stage` until `calls` steps are done, then stops as kill -9 does: nothing more is saved.
  static void run_and_die(const Recipe& stage, int64_t calls) {
    RunOptions options;
    options.threads = 1;
    options.is_cancelled = [&calls]() -> bool {
      if (--calls == 0) throw std::runtime_error("killed");
      return false;
    };
    EXPECT_THROW(run_stage(stage, options), std::runtime_error);
  }

  static void run(const Recipe& stage, Existing existing = Existing::refuse) {
    RunOptions options;
    options.threads = 1;
    options.existing = existing;
    run_stage(stage, options);
  }

  void expect_resume_is_exact(const std::string& stage, const std::string& data,
                              const std::string& more = "") {
    const Recipe whole = recipe(stage, "whole", data, more);
    const Recipe broken = recipe(stage, "broken", data, more);
    run(whole);
    run_and_die(broken, 5);
    EXPECT_FALSE(fs::exists(broken.output / "model.safetensors"));
    run(broken, Existing::resume);
    EXPECT_EQ(read_file(whole.output / "model.safetensors"),
              read_file(broken.output / "model.safetensors"));
  }

  test::TemporaryFolder folder_;
};

TEST_F(TrainerTest, TextResumesBitForBit) {
  expect_resume_is_exact("text", source("text.jsonl", "text"));
}

TEST_F(TrainerTest, TowerResumesBitForBit) {
  expect_resume_is_exact("tower", source("pairs.jsonl", "pairs"));
}

TEST_F(TrainerTest, AlignResumesBitForBit) {
  expect_resume_is_exact("align", source("pairs.jsonl", "pairs"), "freeze: [vision_tower, llm]\n");
}

TEST_F(TrainerTest, PretrainResumesBitForBitWithAnUnfrozenTower) {
  expect_resume_is_exact(
      "pretrain", source("documents.jsonl", "documents") + ", " + source("text.jsonl", "text"));
}

TEST_F(TrainerTest, AugmentedPicturesOfAnUnfrozenTowerResumeBitForBit) {
  expect_resume_is_exact("pretrain", source("documents.jsonl", "documents"),
                         "augment: {rotation: 20}\n");
}

TEST_F(TrainerTest, AugmentationChangesWhatAnUnfrozenTowerSees) {
  const std::string data = source("documents.jsonl", "documents");
  const Recipe plain = recipe("pretrain", "plain", data);
  const Recipe changed = recipe("pretrain", "changed", data, "augment: {}\n");
  run(plain);
  run(changed);
  EXPECT_NE(read_file(plain.output / "model.safetensors"),
            read_file(changed.output / "model.safetensors"));
}

TEST_F(TrainerTest, InstructionsTrainOnTheirPictures) {
  const Recipe seen = recipe("sft", "seen", source("turns.json", "conversations"));
  run(seen);
  for (int i = 0; i < 12; ++i)
    write_picture("p" + std::to_string(i) + ".png", static_cast<uint64_t>(i) + 100);
  const Recipe other = recipe("sft", "other", source("turns.json", "conversations"));
  run(other);
  EXPECT_NE(read_file(seen.output / "model.safetensors"),
            read_file(other.output / "model.safetensors"));
}

TEST_F(TrainerTest, SftResumesBitForBit) {
  expect_resume_is_exact("sft", source("turns.json", "conversations"), "freeze: [vision_tower]\n");
}

TEST_F(TrainerTest, AStageStartsFromTheResultsOfOthers) {
  run(recipe("text", "text", source("text.jsonl", "text")));
  run(recipe("tower", "tower", source("pairs.jsonl", "pairs")));
  const std::string init =
      "init: {llm: " + path("text") + ", vision_tower: " + path("tower") + "}\n";
  run(recipe("align", "align", source("pairs.jsonl", "pairs"),
             init + "freeze: [vision_tower, llm]\n"));
  EXPECT_TRUE(fs::exists(folder_.path() / "align/vision_tower/config.json"));
  EXPECT_TRUE(fs::exists(folder_.path() / "align/tokenizer.model"));
}

TEST_F(TrainerTest, AFinishedRunIsKeptUnlessToldOtherwise) {
  const Recipe stage = recipe("text", "out", source("text.jsonl", "text"));
  run(stage);
  try {
    run(stage);
    FAIL() << "a second run must be refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(error.message().find("--resume"), std::string::npos);
  }
  EXPECT_NO_THROW(run(stage, Existing::resume));
  EXPECT_NO_THROW(run(stage, Existing::overwrite));
}

TEST_F(TrainerTest, AFinishedRunGoesOnWhereTheRecipeAsksForMoreSteps) {
  Recipe stage = recipe("text", "out", source("text.jsonl", "text"));
  run(stage);
  stage.train.steps += 2;
  run(stage, Existing::resume);
  EXPECT_TRUE(fs::exists(stage.output / "state/step-000000008"));
}

TEST_F(TrainerTest, CancellingSavesTheStateFirst) {
  const Recipe stage = recipe("text", "out", source("text.jsonl", "text"));
  RunOptions options;
  options.threads = 1;
  options.is_cancelled = [] { return true; };
  try {
    run_stage(stage, options);
    FAIL() << "a cancelled run must throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
  }
  EXPECT_TRUE(fs::exists(stage.output / "state/step-000000001/state.safetensors"));
}

TEST_F(TrainerTest, KeepsTheLastTwoStates) {
  const Recipe stage = recipe("text", "out", source("text.jsonl", "text"));
  run(stage);
  EXPECT_FALSE(fs::exists(stage.output / "state/step-000000002"));
  EXPECT_TRUE(fs::exists(stage.output / "state/step-000000004"));
  EXPECT_TRUE(fs::exists(stage.output / "state/step-000000006"));
}

}  // namespace
}  // namespace vila::train
