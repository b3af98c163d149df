// SPDX-License-Identifier: Apache-2.0
// A judge on the network, as `vila score --judge` asks it: a server of ours that fails at times.
#include <atomic>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"
#include "support/chat_server.h"

namespace vila::test {
namespace {

class NetworkJudge : public testing::Test {
 protected:
  void SetUp() override {
    std::string questions;
    std::string contexts;
    std::string references;
    std::string answers;
    for (int i = 0; i < 4; ++i) {
      const std::string image = std::to_string(i) + ".jpg";
      questions +=
          Json{{"question_id", i}, {"image", image}, {"text", "q"}, {"category", "conv"}}.dump() +
          "\n";
      contexts += Json{{"id", "0"}, {"image", image}, {"caption", "a picture"}}.dump() + "\n";
      references += Json{{"question_id", i}, {"text", "r"}, {"answer_id", "x"}}.dump() + "\n";
      answers += Json{{"question_id", i}, {"text", "a" + std::to_string(i)}}.dump() + "\n";
    }
    folder_.write("data/questions.jsonl", questions);
    folder_.write("data/context.jsonl", contexts);
    folder_.write("data/answers_gpt4.jsonl", references);
    folder_.write("data/rule.json",
                  R"({"llava_bench_conv": {"role": "Assistant", "prompt": "rate"}})");
    folder_.write("answers.jsonl", answers);
  }

  ProcessResult score(const std::string& url, const std::string& key = "") const {
    std::vector<std::string> command = {"/usr/bin/env",
                                        "JUDGE_KEY=" + key,
                                        VILA_BINARY,
                                        "score",
                                        "llava-bench",
                                        "--data",
                                        file("data"),
                                        "--answers",
                                        file("answers.jsonl"),
                                        "--reviews",
                                        file("reviews.jsonl"),
                                        "--judge",
                                        url,
                                        "--judge-model",
                                        "judge-1",
                                        "--judge-key",
                                        "JUDGE_KEY",
                                        "--json"};
    return run_process(command);
  }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }

  TemporaryFolder folder_;
};

TEST_F(NetworkJudge, IsAskedAgainWhenItIsBusyOrBroken) {
  std::atomic<int> calls = 0;
  const ChatServer server([&](const ChatQuery& query) {
    EXPECT_EQ(query.target, "/v1/chat/completions");
    EXPECT_EQ(query.authorization, "Bearer secret");
    const Json body = parse_json(query.body, "query");
    EXPECT_EQ(body["model"], "judge-1");
    EXPECT_EQ(body["messages"][0]["role"], "system");
    switch (++calls) {
      case 1:
        return ChatReply{.status = 429, .body = "busy", .retry_after = "1"};
      case 2:
        return ChatReply{.status = 503, .body = "broken"};
      default:
        return completion("8 6\nfine");
    }
  });

  const Json result = json_of(score(server.url(), "secret"));

  EXPECT_EQ(result["score"], 75);
  EXPECT_EQ(calls, 6);
  const auto reviews = json_lines(read_file(file("reviews.jsonl")));
  ASSERT_EQ(reviews.size(), 4U);
  EXPECT_EQ(reviews[3]["tuple"], Json::parse("[8.0, 6.0]"));
  EXPECT_EQ(reviews[3]["category"], "llava_bench_conv");
  // The reviews are the judge's file: scored without any judge.
  const Json again =
      json_of(run_process({VILA_BINARY, "score", "llava-bench", "--data", file("data"), "--answers",
                           file("reviews.jsonl"), "--json"}));
  EXPECT_EQ(again["metrics"], result["metrics"]);
}

TEST_F(NetworkJudge, ReviewsThatAreThereAreNotAskedForAgain) {
  std::atomic<int> calls = 0;
  const ChatServer server([&](const ChatQuery&) {
    return ++calls == 3 ? ChatReply{.status = 400, .body = "no such model"} : completion("8 6");
  });
  const ProcessResult stopped = score(server.url());
  EXPECT_EQ(stopped.exit_code, 5) << stopped.error;
  EXPECT_NE(stopped.error.find("no such model"), std::string::npos) << stopped.error;
  EXPECT_EQ(json_of(score(server.url()))["score"], 75);
  EXPECT_EQ(calls, 5);
}

TEST_F(NetworkJudge, AnswersThatAreNoCompletionAreRefused) {
  const ChatServer server([](const ChatQuery&) { return ChatReply{.body = "<html>"}; });
  EXPECT_EQ(score(server.url()).exit_code, 4);
}

}  // namespace
}  // namespace vila::test
