// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"
#include "support/tiny_checkpoint.h"

namespace vila::test {
namespace {

namespace fs = std::filesystem;

class Quantize : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    spec::VilaConfig config = tiny_config();
    config.llm.hidden_size = 64;
    config.llm.intermediate_size = 128;
    config.llm.head_dim = 16;
    write_tiny_checkpoint(out_ / "in", {.config = config});
    std::string text;
    for (int i = 0; i < 300; ++i)
      text += "the cat " + std::to_string(i % 7) + " saw a dog ";
    out_.write("text.txt", text);
  }

  ProcessResult quantize(const std::string& out, std::vector<std::string> options) const {
    std::vector<std::string> arguments = {
        "quantize", (out_ / "in").string(), (out_ / out).string(), "--window", "64", "--samples",
        "4"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return vila(arguments);
  }

  std::string path(const std::string& name) const { return (out_ / name).string(); }

  TemporaryFolder out_;
};

TEST_F(Quantize, MakesAModelThatAnswersAndCarriesItsCard) {
  for (const std::string target : {"awq", "autoawq", "vila"}) {
    const ProcessResult made = quantize(
        target, {"--calibration", path("text.txt"), "--to", target, "--eval-text", path("text.txt"),
                 "--eval-context", "64", "--eval-windows", "3", "--json"});
    const Json card = json_of(made);
    EXPECT_EQ(card["method"], "awq");
    EXPECT_EQ(card["group"], 64) << "128 does not divide 64 inputs";
    EXPECT_NE(made.error.find("groups of 64"), std::string::npos) << made.error;
    EXPECT_EQ(card["layers"].size(), 2U);
    EXPECT_NEAR(card["perplexity"]["change_percent"].get<double>(), 0, 10);
    EXPECT_FALSE(fs::exists(path(target + ".work")));

    const Json inspected = json_of(vila({"inspect", path(target), "--json"}));
    EXPECT_EQ(inspected["quantization"], card);
    const Json answer = json_of(vila({"run", "-m", path(target), "--json", "--max-tokens", "4",
                                      "--image", file("a.png"), "What?"}));
    EXPECT_EQ(answer["token_ids"].size(), 4U);
  }
}

TEST_F(Quantize, CalibratesOnPromptsWithPictures) {
  std::ofstream(path("prompts.jsonl"))
      << Json({{"prompt", "What is this?"}, {"images", {file("a.png")}}}).dump() << "\n"
      << Json({{"prompt", "And these?"}, {"images", {file("a.png"), file("b.png")}}}).dump()
      << "\n";
  const Json card =
      json_of(quantize("out", {"--calibration", path("prompts.jsonl"), "--group", "32", "--json"}));
  EXPECT_EQ(card["calibration"], "2 prompts of prompts.jsonl");
  const ProcessResult bad = quantize("bad", {"--calibration", path("text.jsonl")});
  EXPECT_EQ(bad.exit_code, 4);
  EXPECT_FALSE(fs::exists(path("bad")));
}

TEST_F(Quantize, PutsTheTowerInEightBitsByWhatThePicturesShow) {
  std::ofstream(path("prompts.jsonl"))
      << Json({{"prompt", "What is this?"}, {"images", {file("a.png")}}}).dump() << "\n"
      << Json({{"prompt", "No picture."}}).dump() << "\n";
  const std::vector<std::string> options = {
      "--calibration", path("prompts.jsonl"), "--vision", "w8a8", "--head8", "--json"};
  const Json card = json_of(quantize("small.vila", options));
  EXPECT_EQ(card["vision"], "8 bits a row, smoothed by the calibration's maxima");
  EXPECT_EQ(card["head"], "8 bits a row");
  EXPECT_LT(fs::file_size(path("small.vila")), fs::file_size(path("in/model.safetensors")) * 3 / 5);
  const ProcessResult shown = vila({"inspect", path("small.vila")});
  EXPECT_NE(shown.out.find("vision 8 bits a row"), std::string::npos) << shown.out;
  const Json answer = json_of(vila({"run", "-m", path("small.vila"), "--json", "--max-tokens", "4",
                                    "--image", file("a.png"), "What?"}));
  EXPECT_EQ(answer["token_ids"].size(), 4U);
  EXPECT_EQ(quantize("folder", options).exit_code, 2) << "a folder holds floats only";
}

TEST_F(Quantize, AKilledRunGoesOnToTheSameModel) {
  const std::vector<std::string> options = {"--calibration", path("text.txt"), "--method",
                                            "awq+gptq"};
  ASSERT_EQ(quantize("whole", options).exit_code, 0);
  // kill -9 as soon as the first layer stands; a machine that is quick enough has finished by then.
  const std::string command = VILA_BINARY " quantize " + path("in") + " " + path("cut") +
                              " --window 64 --samples 4 --method awq+gptq --calibration " +
                              path("text.txt") + " & p=$!; until [ -e " +
                              path("cut.work/layer-000.safetensors") +
                              " ] || ! kill -0 $p; do sleep 0.01; done; kill -9 $p; wait $p";
  run_process({"/bin/sh", "-c", command});
  if (!fs::exists(path("cut"))) {
    ASSERT_TRUE(fs::exists(path("cut.work/layer-000.safetensors")));
    const ProcessResult refused = quantize("cut", options);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_NE(refused.error.find("--resume"), std::string::npos) << refused.error;
    std::vector<std::string> resumed = options;
    resumed.emplace_back("--resume");
    ASSERT_EQ(quantize("cut", resumed).exit_code, 0);
  }
  EXPECT_EQ(read_file(path("cut/model.safetensors")), read_file(path("whole/model.safetensors")));
}

TEST_F(Quantize, SaysWhatItCannotDo) {
  EXPECT_EQ(quantize("out", {}).exit_code, 2);  // AWQ needs inputs
  EXPECT_EQ(quantize("out", {"--method", "rtn", "--bits", "3"}).exit_code, 2);
  const ProcessResult floats =
      quantize("floats", {"--method", "rtn", "--bits", "3", "--to", "floats"});
  EXPECT_EQ(floats.exit_code, 0) << floats.error;
  const ProcessResult occupied = quantize("in", {"--method", "rtn"});
  EXPECT_EQ(occupied.exit_code, 2);
  EXPECT_NE(occupied.error.find("new name"), std::string::npos) << occupied.error;
  std::ofstream(path("other.pt")) << "no zip";
  EXPECT_EQ(quantize("out", {"--calibration", path("text.txt"), "--load-search", path("other.pt")})
                .exit_code,
            4);
}

}  // namespace
}  // namespace vila::test
