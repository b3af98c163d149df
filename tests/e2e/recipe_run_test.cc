// SPDX-License-Identifier: Apache-2.0
// Benchmarks that are text files, run on the model that ships: probabilities against another way to
// the same numbers, few-shot prompts with pictures, own recipes, two models in one run.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"
#include "media/decode.h"

namespace vila::test {
namespace {

class RecipeRun : public testing::Test {
 protected:
  ProcessResult eval(std::vector<std::string> arguments) const {
    const std::vector<std::string> rest = {"-m",    nano(),      "--data", file("data"),
                                           "--out", file("out"), "--json"};
    arguments.insert(arguments.begin(), {VILA_BINARY, "eval"});
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    return run_process(arguments);
  }

  // Negative log likelihood of a text's tokens but the first, by `vila perplexity`.
  double total_nll(const std::string& text) const {
    folder_.write("text.txt", text);
    return json_of(run_process({VILA_BINARY, "perplexity", "-m", nano(), "--text", file("text.txt"),
                                "--json"}))["total_nll"]
        .get<double>();
  }

  std::vector<Json> answers(const std::string& task) const {
    return json_lines(read_file(folder_ / "out" / task / "answers.jsonl"));
  }

  void save_picture(const std::string& name, uint8_t red) const {
    folder_.write(name, media::encode_png(media::Image(20, 16, {red, 40, 90})));
  }

  static std::string nano() { return VILA_SOURCE_DIR "/models/nano"; }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }

  TemporaryFolder folder_;
};

TEST_F(RecipeRun, PerplexityIsThatOfThePerplexityCommand) {
  const std::string text = "the cat sat on the mat and looked at the red ball";
  folder_.write("data/a.jsonl", Json{{"text", text}}.dump() + "\n");
  const Json result = json_of(eval({"text"}));
  folder_.write("text.txt", text);
  const Json other = json_of(
      run_process({VILA_BINARY, "perplexity", "-m", nano(), "--text", file("text.txt"), "--json"}));
  EXPECT_NEAR(result["score"].get<double>() / other["perplexity"].get<double>(), 1, 1e-4);
}

// log p(" B" | prompt) = NLL(prompt) - NLL(prompt + " B"), which the engine computes elsewhere.
TEST_F(RecipeRun, ProbabilitiesOfTheLettersAreDifferencesOfTextLosses) {
  folder_.write("data/high_school_physics_test.csv", "Why is the sky blue?,air,sea,paint,milk,B\n");
  folder_.write("data/high_school_physics_dev.csv", "Q?,a,b,c,d,A\nR?,a,b,c,d,B\n");
  const Json result = json_of(eval({"mmlu"}));
  const Json row = answers("mmlu").at(0);
  const std::string prompt = row["prompt"].get<std::string>();
  const auto found = row["metadata"]["log_likelihoods"].get<std::vector<double>>();
  ASSERT_EQ(found.size(), 4U);
  const double before = total_nll(prompt);
  for (size_t i = 0; i < found.size(); ++i) {
    const std::string letter = {' ', static_cast<char>('A' + i)};
    EXPECT_NEAR(found[i], before - total_nll(prompt + letter), 1e-3) << letter;
  }
  const auto best = std::max_element(found.begin(), found.end()) - found.begin();
  EXPECT_EQ(row["text"], std::string(1, static_cast<char>('A' + best)));
  EXPECT_EQ(result["score"], best == 1 ? 100 : 0);
}

TEST_F(RecipeRun, FewShotShowsTheModelEveryPicture) {
  Json images = Json::array();
  for (int i = 0; i < 6; ++i) {
    const std::string name = std::to_string(i) + ".jpg";
    images.push_back({{"split", i < 2 ? "test" : "train"},
                      {"imgid", i},
                      {"filename", name},
                      {"sentences", {{{"raw", "a red square"}}, {{"raw", "one colour"}}}}});
    save_picture("data/" + name, static_cast<uint8_t>(40 * i));
  }
  folder_.write("data/dataset_flickr30k.json", Json{{"images", images}}.dump());
  const Json result = json_of(eval({"flickr30k-2shot"}));
  EXPECT_EQ(result["reported"], "CIDEr");
  EXPECT_EQ(result["counts"]["ROUGE-L"], 2);
  const std::string prompt = answers("flickr30k-2shot").at(0)["prompt"].get<std::string>();
  EXPECT_EQ(prompt,
            "<image>A short caption: a red square\n<image>A short caption: a red square\n"
            "<image>A short caption:");
  const Json scored =
      json_of(run_process({VILA_BINARY, "score", "flickr30k-2shot", "--data", file("data"),
                           "--answers", file("out/flickr30k-2shot/answers.jsonl"), "--json"}));
  EXPECT_EQ(scored["metrics"], result["metrics"]);
}

TEST_F(RecipeRun, OnesOwnRecipeIsRunAndScored) {
  save_picture("data/a.png", 200);
  folder_.write("data/mine.jsonl",
                Json{{"q", "What colour?"}, {"gold", "red"}, {"image", "a.png"}}.dump() + "\n");
  folder_.write("mine.yaml",
                "task: mine\ndataset_path: [mine.jsonl]\ndoc_to_text: \"{{q}}\"\n"
                "doc_to_visual: image\ndoc_to_target: gold\nmetric: contains\n");
  const Json result = json_of(eval({file("mine.yaml")}));
  EXPECT_EQ(result["task"], "mine");
  const Json scored =
      json_of(run_process({VILA_BINARY, "score", file("mine.yaml"), "--data", file("data"),
                           "--answers", file("out/mine/answers.jsonl"), "--json"}));
  EXPECT_EQ(scored["metrics"], result["metrics"]);
  EXPECT_NE(read_file(folder_ / "out/card.md").find("| mine |"), std::string::npos);
}

TEST_F(RecipeRun, TwoModelsInOneRunAreCompared) {
  std::string lines;
  for (int i = 0; i < 5; ++i) {
    save_picture("data/" + std::to_string(i) + ".png", static_cast<uint8_t>(50 * i));
    lines += Json{{"id", std::to_string(i)},
                  {"question", "What is this?"},
                  {"answer", "red"},
                  {"image", std::to_string(i) + ".png"}}
                 .dump() +
             "\n";
  }
  folder_.write("data/mine.jsonl", lines);
  const ProcessResult run = eval({"jsonl", "--against", nano()});
  ASSERT_EQ(run.exit_code, 0) << run.error;
  const Json compared = read_json_file(folder_ / "out/jsonl.compare.json", ErrorCode::invalid_data);
  EXPECT_EQ(compared["questions"], 5);
  EXPECT_EQ(compared["p_value"], 1);
  EXPECT_EQ(compared["differences"], Json::array());
  EXPECT_EQ(read_file(folder_ / "out/a/jsonl/answers.jsonl"),
            read_file(folder_ / "out/b/jsonl/answers.jsonl"));
}

}  // namespace
}  // namespace vila::test
