// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"
#include "support/tiny_checkpoint.h"

namespace vila::test {
namespace {

class Run : public Program {};

TEST_F(Run, AnswersInJsonWithEveryFieldThatScriptsRelyOn) {
  const Json answer =
      json_of(run({"--json", "--image", file("a.png"), "--logprobs", "2", "What is this?"}));

  EXPECT_TRUE(answer["text"].is_string());
  EXPECT_TRUE(answer["finish_reason"] == "stop" || answer["finish_reason"] == "length");
  EXPECT_EQ(answer["usage"]["completion_tokens"], answer["token_ids"].size());
  EXPECT_EQ(answer["usage"]["image_tokens"], tiny_config().tokens_per_image());
  EXPECT_GT(answer["usage"]["prompt_tokens"], answer["usage"]["image_tokens"]);
  for (const char* step : {"load", "media", "vision", "prefill", "decode"}) {
    EXPECT_GE(answer["timings_ms"][step].get<double>(), 0) << step;
  }
  EXPECT_GT(answer["prefill_tok_s"].get<double>(), 0);
  EXPECT_TRUE(answer.contains("decode_tok_s"));
  EXPECT_GT(answer["peak_rss_bytes"].get<int64_t>(), 1 << 20);
  ASSERT_EQ(answer["logprobs"].size(), answer["token_ids"].size());
  EXPECT_EQ(answer["logprobs"][0]["top_logprobs"].size(), 2U);
  EXPECT_EQ(answer["logprobs"][0]["id"], answer["token_ids"][0]);
}

TEST_F(Run, StreamsTheTextThatJsonHolds) {
  const Json answer = json_of(run({"--json", "Tell me about a cat"}));
  const ProcessResult streamed = run({"--temperature", "0", "Tell me about a cat"});

  EXPECT_EQ(streamed.exit_code, 0);
  EXPECT_EQ(streamed.out, answer["text"].get<std::string>() + "\n");
  EXPECT_EQ(streamed.error, "");
}

TEST_F(Run, SeesPicturesInTheOrderOfTheirPlaceholders) {
  const auto ask = [&](const char* first, const char* second) {
    return json_of(run({"--json", "--logprobs", "0", "--image", file(first), "--image",
                        file(second), "<image> and <image>: which is red?"}));
  };

  const Json ab = ask("a.png", "b.png");
  const Json ba = ask("b.png", "a.png");

  EXPECT_EQ(ab["usage"]["prompt_tokens"], ba["usage"]["prompt_tokens"]);
  EXPECT_NE(ab["logprobs"], ba["logprobs"]);
}

TEST_F(Run, PutsPicturesInFrontWhereThePromptNamesNone) {
  const Json implied = json_of(run({"--json", "--image", file("a.png"), "What?"}));
  const Json said = json_of(run({"--json", "--image", file("a.png"), "<image>\nWhat?"}));

  EXPECT_EQ(implied["token_ids"], said["token_ids"]);
  EXPECT_EQ(implied["usage"], said["usage"]);
}

TEST_F(Run, ReadsThePromptFromStdinOrAFile) {
  write_file(file("prompt.txt"), "What is a cat?");

  const Json argument = json_of(run({"--json", "What is a cat?"}));
  const Json from_stdin = json_of(run({"--json", "--prompt-file", "-"}, "What is a cat?"));
  const Json from_file = json_of(run({"--json", "--prompt-file", file("prompt.txt")}));

  EXPECT_EQ(from_stdin["token_ids"], argument["token_ids"]);
  EXPECT_EQ(from_file["token_ids"], argument["token_ids"]);
}

TEST_F(Run, UsesARawPromptWithoutTemplate) {
  const Json raw = json_of(run({"--json", "--raw", "cat"}));
  const Json templated = json_of(run({"--json", "cat"}));

  EXPECT_LT(raw["usage"]["prompt_tokens"], 6);
  EXPECT_GT(templated["usage"]["prompt_tokens"], 20);
}

TEST_F(Run, GivesTheSameAnswerForTheSameSeedAndAnyThreadCount) {
  const auto ask = [&](const char* threads) {
    return json_of(run({"-t", threads, "--json", "--temperature", "1", "--seed", "5", "A cat"}));
  };

  EXPECT_EQ(ask("1")["token_ids"], ask("2")["token_ids"]);
}

TEST_F(Run, SaysOnStderrHowLongItTookWhenAsked) {
  const ProcessResult result = run({"--timings", "A cat"});

  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.error.find("tokens/s"), std::string::npos);
}

class Chat : public Program {
 protected:
  ProcessResult chat(const std::string& input) const {
    return vila({"chat", "-m", model().string(), "--max-tokens", "4", "--temperature", "0"}, input);
  }
};

TEST_F(Chat, AnswersTurnsAndKeepsThem) {
  const ProcessResult result = chat("/image " + file("a.png") + "\nWhat is this?\nReally?\n/save " +
                                    file("chat.json") + "\n/bye\nnever read\n");

  EXPECT_EQ(result.exit_code, 0) << result.error;
  const Json saved = parse_json(read_file(file("chat.json")), "chat.json");
  ASSERT_EQ(saved["messages"].size(), 4U);
  EXPECT_EQ(saved["messages"][0]["content"], "<image>\nWhat is this?");
  EXPECT_EQ(saved["messages"][2]["content"], "Really?");
  EXPECT_EQ(saved["images"].size(), 1U);
}

// Rows of the prompts and how many of them were known, turn by turn, as --timings tells them.
std::vector<std::pair<int, int>> prompt_rows(const std::string& timings) {
  std::vector<std::pair<int, int>> turns;
  const std::string mark = "prompt of ";
  for (size_t at = timings.find(mark); at != std::string::npos; at = timings.find(mark, at + 1)) {
    std::pair<int, int>& turn = turns.emplace_back();
    std::sscanf(timings.c_str() + at, "prompt of %d tokens (%d known)", &turn.first, &turn.second);
  }
  return turns;
}

TEST_F(Chat, PrefillsOnlyWhatIsNewForEveryKvType) {
  for (const std::string kv : {"f32", "f16", "int8"}) {
    const ProcessResult result =
        vila({"chat", "-m", model().string(), "--max-tokens", "4", "--timings", "--kv", kv},
             "/image " + file("a.png") + "\nWhat is this?\nReally?\n/clear\nReally?\n");

    ASSERT_EQ(result.exit_code, 0) << result.error;
    const auto turns = prompt_rows(result.error);
    ASSERT_EQ(turns.size(), 3U) << result.error;
    EXPECT_EQ(turns[0].second, 0);
    EXPECT_GE(turns[1].second, turns[0].first);  // all of the first prompt, the picture included
    EXPECT_LT(turns[1].second, turns[1].first);
    EXPECT_LT(turns[2].second, turns[0].first);  // another beginning
  }
}

TEST_F(Run, AnswersAlikeWithAndWithoutGuesses) {
  const auto ask = [&](const std::string& mode) {
    return json_of(vila({"run", "-m", model().string(), "--json", "--max-tokens", "40",
                         "--speculate", mode, "ab ab ab ab ab"}));
  };

  const Json plain = ask("off");
  EXPECT_EQ(plain["work"]["drafted_tokens"], 0);
  for (const std::string mode : {"lookup", "auto"})
    EXPECT_EQ(ask(mode)["token_ids"], plain["token_ids"]) << mode;
  EXPECT_EQ(run({"--speculate", "sometimes", "A cat"}).exit_code, 2);
  EXPECT_EQ(run({"--kv", "int4", "A cat"}).exit_code, 2);
}

TEST_F(Chat, GoesOnAfterEveryMistake) {
  const ProcessResult result =
      chat("/image " + file("missing.png") +
           "\n/load nothing.json\n/set nonsense 1\n/unknown\n<image> without picture\n"
           "/set top_k 3\n/show\n");

  size_t errors = 0;
  for (size_t at = result.error.find("error:"); at != std::string::npos;
       at = result.error.find("error:", at + 1)) {
    ++errors;
  }
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(errors, 5U) << result.error;
  EXPECT_NE(result.out.find("\"top_k\":3"), std::string::npos);
}

}  // namespace
}  // namespace vila::test
