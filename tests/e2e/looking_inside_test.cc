// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/command.h"
#include "e2e/fixture.h"
#include "formats/safetensors.h"
#include "media/decode.h"
#include "support/tiny_checkpoint.h"

namespace vila::test {
namespace {

class Inside : public Program {};

TEST_F(Inside, EveryCommandHelpsWithAnExample) {
  EXPECT_EQ(vila({"--help"}).exit_code, 0);
  for (const cli::Command& command : cli::commands()) {
    const ProcessResult result = vila({command.name, "--help"});
    EXPECT_EQ(result.exit_code, 0) << command.name;
    EXPECT_NE(result.out.find(command.example), std::string::npos) << result.out;
  }
}

TEST_F(Inside, VersionNamesCommitCompilerAndKernels) {
  const ProcessResult result = vila({"--version"});

  EXPECT_EQ(result.exit_code, 0);
  for (const char* word : {"vila ", "commit", "compiler", "cpu", "kernels"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word;
  }
}

TEST_F(Inside, TokensOfATextGiveItBack) {
  const ProcessResult there = vila({"tokenize", "-m", model().string()},
                                   "{\"text\": \"a cat sat\"}\n{\"text\": \"\\u732b\\n\"}\n");
  const ProcessResult back = vila({"detokenize", "-m", model().string()}, there.out);

  ASSERT_EQ(there.exit_code, 0) << there.error;
  const auto rows = json_lines(there.out);
  const auto texts = json_lines(back.out);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["ids"][0], 1);
  EXPECT_EQ(rows[0]["ids"].size(), rows[0]["pieces"].size());
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts[0]["text"], "a cat sat");
  EXPECT_EQ(texts[1]["text"], "\u732b\n");
}

TEST_F(Inside, TokenizeObeysItsSwitches) {
  const auto tokenize = [&](std::vector<std::string> switches) {
    switches.insert(switches.begin(),
                    {"tokenize", "--tokenizer", (model() / "tokenizer.model").string()});
    return json_of(vila(switches, "{\"text\": \"cat</s>\"}"));
  };

  const Json parsed = tokenize({});
  const Json bare = tokenize({"--no-bos"});
  const Json text = tokenize({"--special", "text"});

  EXPECT_EQ(parsed["ids"].back(), 2);
  EXPECT_EQ(bare["ids"].size() + 1, parsed["ids"].size());
  EXPECT_GT(text["ids"].size(), parsed["ids"].size());
}

TEST_F(Inside, ABadLineIsNamedByItsNumber) {
  const ProcessResult result =
      vila({"tokenize", "-m", model().string()}, "{\"text\": \"a\"}\n{\"txt\": 1}\n");

  EXPECT_EQ(result.exit_code, 4);
  EXPECT_NE(result.error.find("line 2"), std::string::npos) << result.error;
}

TEST_F(Inside, RenderGivesPromptStopAndIds) {
  const Json prompt =
      json_of(vila({"render", "-m", model().string()},
                   R"({"messages": [{"role": "user", "content": "<image>\nWhat?"}]})"));

  EXPECT_NE(prompt["prompt"].get<std::string>().find("USER: <image>\nWhat? ASSISTANT:"),
            std::string::npos);
  EXPECT_TRUE(prompt["stop"].is_array());
  EXPECT_EQ(std::count(prompt["ids"].begin(), prompt["ids"].end(), -200), 1);
}

TEST_F(Inside, RenderTakesTheTemplateInsideAModel) {
  const std::filesystem::path folder = std::filesystem::path(VILA_SOURCE_DIR) /
                                       "../shared/conformance/reference/nvila-lite-tiny/checkpoint";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const std::string line = R"({"messages": [{"role": "user", "content": "Hi"}]})";
  const auto prompt = [&](const std::vector<std::string>& more) {
    std::vector<std::string> command = {"render", "-m", folder.string()};
    command.insert(command.end(), more.begin(), more.end());
    return json_of(vila(command, line))["prompt"].get<std::string>();
  };
  EXPECT_NE(prompt({}).find("<|im_start|>user\nHi"), std::string::npos) << prompt({});
  EXPECT_NE(prompt({"--template", "llama_2"}).find("[INST]"), std::string::npos);
}

TEST_F(Inside, InspectTellsPartsTensorsAndMemory) {
  const Json report = json_of(vila({"inspect", model().string(), "--tensors", "--memory",
                                    "--context", "64", "--images", "2", "--json"}));

  int64_t parameters = 0;
  for (const Json& part : report["parts"])
    parameters += part["parameters"].get<int64_t>();
  const Json& memory = report["memory"];
  EXPECT_EQ(report["generation"], "vila-2024-02");
  EXPECT_EQ(report["parts"].size(), 3U);
  EXPECT_EQ(report["parameters"], parameters);
  EXPECT_EQ(memory["context"], 64);
  const auto bytes = [&](const char* name) { return memory[name].get<int64_t>(); };
  EXPECT_EQ(bytes("total"), bytes("program") + bytes("weights") + bytes("kv_cache") +
                                std::max(bytes("vision_peak"), bytes("text_peak")));
  EXPECT_EQ(report["special_tokens"]["eos"]["id"], 2);
  EXPECT_FALSE(report["tensors"].empty());
}

TEST_F(Inside, InspectPlansMemoryForTheTypeOfKeysAndValues) {
  const auto kv_bytes = [&](const std::string& kv) {
    const Json report = json_of(
        vila({"inspect", model().string(), "--memory", "--context", "64", "--kv", kv, "--json"}));
    return report["memory"]["kv_cache"].get<int64_t>();
  };

  EXPECT_EQ(kv_bytes("f32"), 2 * kv_bytes("f16"));
  const spec::DecoderConfig llm = tiny_config().llm;
  EXPECT_EQ(kv_bytes("int8"), 2 * llm.num_hidden_layers * llm.num_key_value_heads * 64 *
                                  (llm.head_dim + 4));  // codes and one scale
}

TEST_F(Inside, InspectPlansWhatARunTakes) {
  const std::string nano = VILA_SOURCE_DIR "/models/nano";
  const auto answer = [&](std::vector<std::string> prompt) {
    std::vector<std::string> command = {"run", "-m", nano, "--json", "--max-tokens", "8"};
    command.insert(command.end(), prompt.begin(), prompt.end());
    return json_of(vila(command));
  };
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{std::string(400, 'a')}, "0"},
      {{"--image", VILA_SOURCE_DIR "/examples/penguin.png", "What is this?"}, "1"}};
  for (const auto& [prompt, images] : cases) {
    const Json run = answer(prompt);
    const int64_t context = run["usage"]["prompt_tokens"].get<int64_t>() + 8;
    const Json plan = json_of(vila({"inspect", nano, "--memory", "--context",
                                    std::to_string(context), "--images", images, "--json"}));
    const auto planned = plan["memory"]["total"].get<double>();
    if (plan["memory"]["program"].get<double>() > 1e8)
      GTEST_SKIP() << "a sanitizer's own memory is in no plan";

    // Within 5 % where the machine is quiet; a model this small is half the program's own pages.
    EXPECT_NEAR(planned, run["peak_rss_bytes"].get<double>(), 0.08 * planned) << images;
  }
}

TEST_F(Inside, ExplainSavesWhatTheTowerSees) {
  const Json report = json_of(vila({"explain", "-m", model().string(), "--image", file("a.png"),
                                    "--out", file("seen"), "--json", "What?"}));

  const int64_t side = tiny_config().vision->image_size;
  EXPECT_EQ(report["images"][0]["width"], 20);
  EXPECT_EQ(report["images"][0]["tokens"], tiny_config().tokens_per_image());
  EXPECT_EQ(report["images"][0]["sha256"].get<std::string>().size(), 64U);
  EXPECT_NE(report["prompt"].get<std::string>().find("<image>\nWhat?"), std::string::npos);
  EXPECT_EQ(media::load_image(file("seen/0-a.png")).width, side);
  const auto pixels = formats::read_safetensors(file("seen/pixels.safetensors"));
  EXPECT_EQ(pixels.tensors.at("0-a").shape(), Shape({1, 3, side, side}));
}

TEST_F(Inside, ExplainNeedsNoModelForANamedMode) {
  const Json report =
      json_of(vila({"explain", "--mode", "resize-siglip384", "--image", file("a.png"), "--json"}));

  EXPECT_EQ(report["images"][0]["image_size"], 384);
  EXPECT_EQ(vila({"explain", "--mode", "dream", "--image", file("a.png")}).exit_code, 2);
}

TEST_F(Inside, PerplexityCutsTheTextIntoWindows) {
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += "the cat sat on the mat and ";
  write_file(file("text.txt"), text);

  const Json report =
      json_of(vila({"perplexity", "-m", model().string(), "--text", file("text.txt"), "--context",
                    "32", "--windows", "3", "--json"}));

  EXPECT_EQ(report["windows"].size(), 3U);
  EXPECT_EQ(report["tokens"], 3 * 31);
  EXPECT_NEAR(std::log(report["perplexity"].get<double>()), report["mean_nll"].get<double>(), 1e-9);
}

TEST_F(Inside, BenchMeasuresTextPictureAndProducts) {
  const Json report = json_of(vila({"bench", "-m", model().string(), "--prompt", "16", "--gen", "8",
                                    "--runs", "1", "--image", "--json"}));

  EXPECT_GT(report["text"]["decode_tok_s"].get<double>(), 0);
  EXPECT_GT(report["image"]["vision_ms"].get<double>(), 0);
  EXPECT_EQ(report["gemm"].size(), 6U);
}

TEST_F(Inside, BenchGivesEachSpeedAsAShareOfTheMachinesLimits) {
  const Json report = json_of(vila(
      {"bench", "-m", model().string(), "--prompt", "16", "--gen", "8", "--runs", "1", "--json"}));
  const Json& limits = report["limits"];
  for (const char* name : {"f32_gflops", "int8_gops", "read_gb_s"})
    EXPECT_GT(limits[name].get<double>(), 0) << name;
  const Json& text = report["text"];
  EXPECT_EQ(text["peak"], "f32") << "the tiny model is not quantised";
  for (const char* name : {"decode_share_of_read_bandwidth", "prefill_share_of_peak"}) {
    EXPECT_GT(text[name].get<double>(), 0) << name;
    EXPECT_LT(text[name].get<double>(), 2) << name;
  }
  EXPECT_EQ(vila({"bench", "--random", "gpt"}).exit_code, 2);
  EXPECT_EQ(vila({"bench", "--random", "vila-7b", "--memory-limit", "1000000"}).exit_code, 3);
}

TEST_F(Inside, BenchMeasuresASecondQuestionAndABatch) {
  const Json report = json_of(vila({"bench", "-m", model().string(), "--prompt", "16", "--gen", "8",
                                    "--runs", "1", "--image", "--batch", "3", "--json"}));
  EXPECT_EQ(report["batch"]["size"], 3);
  EXPECT_GT(report["batch"]["times_one"].get<double>(), 0);
  const Json& again = report["second_question"];
  EXPECT_LT(again["prompt_tokens"].get<int64_t>(), report["image"]["prompt_tokens"].get<int64_t>())
      << "the rows of the first question are kept";
  EXPECT_GT(again["time_to_first_token_ms"].get<double>(), 0);
  EXPECT_EQ(vila({"bench", "--batch", "0"}).exit_code, 2);
}

TEST_F(Inside, DoctorTestsTheKernelsAndMeasuresTheMachine) {
  const ProcessResult result = vila({"doctor", "--json"});
  const Json report = json_of(result);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_FALSE(report["kernels"].empty());
  for (const Json& row : report["kernels"])
    EXPECT_TRUE(row["passed"].get<bool>()) << row;
  EXPECT_GT(report["limits"]["int8_gops"].get<double>(), 0);
  EXPECT_GT(report["memory"]["total"].get<double>(), report["memory"]["available"].get<double>());
  EXPECT_TRUE(report["gpu"].is_null());
  EXPECT_NE(vila({"doctor"}).out.find("kernels scalar: right"), std::string::npos);
}

TEST_F(Inside, VerifyPassesOnARecordedCaseAndRefusesWhatIsNone) {
  const std::filesystem::path recorded =
      VILA_SOURCE_DIR "/../shared/conformance/reference/vila-7b-tiny";
  if (!std::filesystem::exists(recorded)) GTEST_SKIP() << "needs shared/conformance";

  const ProcessResult result = vila({"verify", recorded.string(), "--json"});

  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_EQ(vila({"verify", model().string()}).exit_code, 4);
  const ProcessResult other = vila({"verify", recorded.string(), "-m", model().string(), "--json"});
  EXPECT_EQ(other.exit_code, 4) << "its vocabulary is smaller than that of the case";
  EXPECT_NE(other.error.find("vocabulary"), std::string::npos) << other.error;
  const TemporaryFolder folder;
  const std::string copy = (folder / "m.gguf").string();
  ASSERT_EQ(vila({"convert", (recorded / "checkpoint").string(), copy}).exit_code, 0);
  EXPECT_EQ(vila({"verify", recorded.string(), "-m", copy}).exit_code, 0) << "in another form";
}

}  // namespace
}  // namespace vila::test
