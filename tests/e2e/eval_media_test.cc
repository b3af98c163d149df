// SPDX-License-Identifier: Apache-2.0
// What `vila eval` shows a model is what `vila run` shows it: pictures in front as each generation
// writes them, videos by the reader and by the model's own choice of frames; and pictures that an
// earlier run has encoded give the same answers.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"
#include "support/avi_builder.h"

namespace vila::test {
namespace {

namespace fs = std::filesystem;

const std::string kNano = VILA_SOURCE_DIR "/models/nano";
const fs::path kReference = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/reference";

class EvalMedia : public Program {
 protected:
  // A benchmark of one question about `media`, column of `kind`.
  void write_benchmark_of(const std::string& kind, const std::string& media) const {
    write_file(file("data/mine.jsonl"),
               Json{{"q", " What is it? "}, {"gold", "x"}, {kind, media}}.dump() + "\n");
    write_file(file("mine.yaml"),
               "task: mine\ndataset_path: [mine.jsonl]\ndoc_to_text: \"{{q}}\"\nnum_frames: 8\n"
               "doc_to_visual: " +
                   kind +
                   "\ndoc_to_target: gold\nmetric: contains\n"
                   "generation_kwargs: {max_new_tokens: 6}\n");
  }

  std::vector<std::string> eval_command(const std::string& model, const std::string& out) const {
    return {"eval", file("mine.yaml"), "-m", model, "--data", file("data"), "--out", file(out)};
  }

  // The answer of an eval, after the whole command has succeeded.
  std::string eval_answer(const std::string& model, const std::string& out) const {
    const ProcessResult result = vila(eval_command(model, out));
    EXPECT_EQ(result.exit_code, 0) << result.error;
    return json_lines(read_file(file(out + "/mine/answers.jsonl"))).at(0)["text"];
  }

  std::string run_answer(const std::string& model, std::vector<std::string> media) const {
    std::vector<std::string> command = {"run", "-m",     model,          "--max-tokens",
                                        "6",   "--json", " What is it? "};
    command.insert(command.end(), media.begin(), media.end());
    const auto text = json_of(vila(command))["text"].get<std::string>();
    const size_t begin = text.find_first_not_of(" \n");
    return begin == std::string::npos
               ? ""
               : text.substr(begin, text.find_last_not_of(" \n") + 1 - begin);
  }

  // The model that ships and the recorded ones of each generation.
  static std::vector<std::string> models() {
    std::vector<std::string> models = {kNano};
    for (const char* name : {"vila1.5-tiny", "nvila-tiny", "nvila-video-tiny"}) {
      const fs::path checkpoint = kReference / name / "checkpoint";
      if (fs::exists(checkpoint)) models.push_back(checkpoint.string());
    }
    return models;
  }
};

TEST_F(EvalMedia, APictureStandsInFrontAsRunPutsItThere) {
  fs::create_directories(file("data"));
  fs::copy(file("a.png"), file("data/a.png"));
  write_benchmark_of("image", "a.png");
  int number = 0;
  for (const std::string& model : models()) {
    const std::string out = "out" + std::to_string(number++);
    EXPECT_EQ(eval_answer(model, out), run_answer(model, {"--image", file("a.png")})) << model;
  }
}

TEST_F(EvalMedia, AVideoIsShownAsRunShowsIt) {
  const std::vector<std::array<uint8_t, 3>> colours = {
      {250, 0, 0}, {0, 250, 0}, {0, 0, 250}, {9, 9, 9}, {250, 250, 0}, {0, 250, 250}, {99, 9, 99}};
  fs::create_directories(file("data/videos"));
  write_file(file("data/videos/clip.avi"), build_avi({.colours = colours}));
  write_benchmark_of("video", "clip");
  const ProcessResult probe = vila(eval_command(kNano, "probe"));
  if (probe.error.find("built without") != std::string::npos) GTEST_SKIP() << "needs FFmpeg";
  ASSERT_EQ(probe.exit_code, 0) << probe.error;
  const std::string report = read_file(file("probe/mine/report.html"));
  EXPECT_NE(report.find("data:image/png"), std::string::npos);
  EXPECT_NE(report.find("videos/clip.avi, 8 frames"), std::string::npos);
  int number = 0;
  for (const std::string& model : models()) {
    const std::string out = "out" + std::to_string(number++);
    EXPECT_EQ(eval_answer(model, out),
              run_answer(model, {"--video", file("data/videos/clip.avi"), "--num-frames", "8"}))
        << model;
  }
}

TEST_F(EvalMedia, ABrokenVideoIsNamedWithItsRow) {
  fs::create_directories(file("data"));
  write_file(file("data/clip.mp4"), "no video");
  write_benchmark_of("video", "clip.mp4");
  const ProcessResult result = vila(eval_command(model().string(), "out"));
  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.error.find("mine.jsonl:1"), std::string::npos) << result.error;
  EXPECT_NE(result.error.find("clip.mp4"), std::string::npos) << result.error;
}

TEST_F(EvalMedia, PicturesOfAnEarlierRunAreTakenFromTheDisk) {
  fs::create_directories(file("data"));
  fs::copy(file("a.png"), file("data/a.png"));
  write_benchmark_of("image", "a.png");
  const auto eval = [&](const std::string& out, const std::string& features) {
    std::vector<std::string> command = eval_command(model().string(), out);
    command.insert(command.end(), {"--features", features});
    const ProcessResult result = vila(command);
    EXPECT_EQ(result.exit_code, 0) << result.error;
    return read_file(file(out + "/mine/answers.jsonl"));
  };
  const std::string without = eval("none", "none");
  EXPECT_FALSE(fs::exists(file("none/features")));
  EXPECT_EQ(eval("first", file("kept")), without);
  const auto first_file = [&] { return fs::directory_iterator(file("kept"))->path(); };
  const std::string rows = read_file(first_file());
  EXPECT_EQ(eval("second", file("kept")), without);
  write_file(first_file(), rows.substr(0, rows.size() / 2));
  EXPECT_EQ(eval("third", file("kept")), without);
  EXPECT_EQ(read_file(first_file()), rows);
}

}  // namespace
}  // namespace vila::test
