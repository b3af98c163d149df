// SPDX-License-Identifier: Apache-2.0
// Pictures and videos on the command line: where the prompt has them, and what the recorded
// checkpoints of each generation answer.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"

namespace vila::test {
namespace {

namespace fs = std::filesystem;

const fs::path kReference = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/reference";

class Media : public Program {
 protected:
  // A folder of nine frames, each of another colour.
  std::string make_frames() const {
    fs::create_directories(file("clip"));
    for (int i = 0; i < 9; ++i) {
      const auto shade = static_cast<uint8_t>(25 * i);
      save_picture("clip/" + std::to_string(i) + ".png", media::Image(12, 9, {shade, 90, 10}));
    }
    return file("clip");
  }
};

TEST_F(Media, AVideoIsAPictureForEachFrameInFrontOfThePrompt) {
  const std::string clip = make_frames();
  const Json video = json_of(run({"--video", clip, "--num-frames", "3", "What?", "--json"}));
  std::vector<std::string> frames = {"What?", "--json"};
  for (const char* name : {"0.png", "3.png", "7.png"}) {  // int(linspace(0, 7, 3))
    frames.push_back("--image");
    frames.push_back(clip + "/" + name);
  }
  const Json pictures = json_of(run(frames));
  EXPECT_EQ(video["usage"], pictures["usage"]);
  EXPECT_EQ(video["token_ids"], pictures["token_ids"]);
}

TEST_F(Media, ThePromptSaysWhereAVideoGoes) {
  const std::string clip = make_frames();
  const Json front = json_of(run({"--video", clip, "--num-frames", "2", "ab", "--json"}));
  const Json same =
      json_of(run({"--video", clip, "--num-frames", "2", "<vila/video>ab", "--json"}));
  EXPECT_EQ(front["token_ids"], same["token_ids"]);
  const ProcessResult two = run({"--video", clip, "<vila/video><vila/video>"});
  EXPECT_EQ(two.exit_code, 2) << two.error;
}

TEST_F(Media, RowsOfABatchHaveVideos) {
  make_frames();
  const ProcessResult result = run(
      {"--batch", "-"},
      Json{{"id", 1}, {"prompt", "a"}, {"video", file("clip")}, {"num_frames", 2}}.dump() + "\n" +
          Json{{"id", 2}, {"prompt", "a"}, {"videos", {file("clip"), "gone"}}}.dump() + "\n");
  const std::vector<Json> rows = json_lines(result.out);
  ASSERT_EQ(rows.size(), 2U) << result.error;
  const Json alone = json_of(run({"--video", file("clip"), "--num-frames", "2", "a", "--json"}));
  EXPECT_EQ(rows[0]["token_ids"], alone["token_ids"]);
  EXPECT_TRUE(rows[1].contains("error"));
}

TEST_F(Media, AChatShowsVideos) {
  const std::string clip = make_frames();
  const ProcessResult result = vila({"chat", "-m", model().string(), "--max-tokens", "2",
                                     "--temperature", "0", "--num-frames", "2"},
                                    "/video " + clip + "\nWhat moves?\n/save " + file("chat.json") +
                                        "\n/load " + file("chat.json") + "\n/show\n");
  EXPECT_EQ(result.error, "");
  const Json saved = parse_json(read_file(file("chat.json")), "chat.json");
  EXPECT_EQ(saved["messages"][0]["content"], "<vila/video>What moves?");
  EXPECT_EQ(saved["videos"], Json::array({clip}));
  EXPECT_NE(result.out.find("video: " + clip), std::string::npos);
}

TEST_F(Media, ExplainTellsWhichFramesAreShown) {
  const std::string clip = make_frames();
  const Json report =
      json_of(vila({"explain", "-m", model().string(), "--video", clip, "--num-frames", "3",
                    "--out", file("seen"), "--json", "What?"}));
  EXPECT_EQ(report["videos"][0]["shown"], Json({0, 3, 7}));
  EXPECT_EQ(report["videos"][0]["frames"], 9);
  EXPECT_NE(report["prompt"].get<std::string>().find("<image>\n<image>\n<image>\nWhat?"),
            std::string::npos);
  EXPECT_TRUE(fs::exists(file("seen/0-clip-2.png")));
}

TEST_F(Media, WhatIsNoVideoIsABadMediaFile) {
  write_file(file("clip.mp4"), "no video");
  const ProcessResult result = run({"--video", file("clip.mp4"), "What?"});
  EXPECT_TRUE(result.exit_code == 4 || result.exit_code == 1) << result.error;
  EXPECT_NE(result.error.find("clip.mp4"), std::string::npos);
}

// The arguments that ask what a prompt of a recorded case asks.
std::vector<std::string> arguments_of(const Json& prompt, const fs::path& folder) {
  std::vector<std::string> arguments;
  std::string text;
  const auto add = [&](const char* option, const char* place, const Json& path) {
    arguments.insert(arguments.end(), {option, (folder / path.get<std::string>()).string()});
    text += place;
  };
  for (const Json& part : prompt.at("content")) {
    if (part.is_string()) {
      text += part.get<std::string>();
    } else if (part.contains("image")) {
      add("--image", "<image>", part.at("image"));
    } else {
      add("--video", "<vila/video>", part.at("video"));
    }
  }
  arguments.push_back(text);
  return arguments;
}

class RecordedMedia : public Program, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (!fs::exists(kReference)) GTEST_SKIP() << kReference << " is absent";
    prompts_ = read_json_file(folder() / "inputs/prompt.json", ErrorCode::invalid_data);
  }

  static fs::path folder() { return kReference / GetParam(); }

  Json greedy(std::vector<std::string> arguments, size_t tokens) const {
    const std::string model = (folder() / "checkpoint").string();
    const std::vector<std::string> front = {
        "run", "-m", model, "--json", "--temperature", "0", "--max-tokens", std::to_string(tokens)};
    arguments.insert(arguments.begin(), front.begin(), front.end());
    return json_of(vila(arguments));
  }

  Json prompts_;
};

// Media placed by the prompt or, where they come first anyway, by the rule of the generation.
TEST_P(RecordedMedia, AnswersAreThoseOfTheReference) {
  for (const Json& prompt : prompts_.at("prompts")) {
    // Of a model that pools its videos the program takes that way only.
    if (!prompt.value("video_encoder", Json("TSPVideoEncoder")).is_string() ||
        prompt.value("video_encoder", "TSPVideoEncoder") != "TSPVideoEncoder") {
      continue;
    }
    SCOPED_TRACE(prompt.at("name"));
    const Json& expected = prompt.at("greedy_ids");
    std::vector<std::string> arguments = arguments_of(prompt, folder());
    const Json answer = greedy(arguments, expected.size());
    EXPECT_EQ(answer["token_ids"], expected);
    EXPECT_EQ(answer["usage"]["prompt_tokens"], prompt.at("sequence_length"));
    std::string& text = arguments.back();
    for (const char* place : {"<image>", "<vila/video>"}) {
      if (text.starts_with(place)) text.erase(0, std::string(place).size());
    }
    EXPECT_EQ(greedy(arguments, expected.size())["token_ids"], expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Nvila, RecordedMedia,
                         testing::Values("nvila-tiny", "nvila-lite-tiny", "nvila-video-tiny"));

}  // namespace
}  // namespace vila::test
