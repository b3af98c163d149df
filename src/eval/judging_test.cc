// SPDX-License-Identifier: Apache-2.0
#include "eval/judging.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "eval/task.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::eval {
namespace {

TEST(JudgeRequest, OfLlavaBenchHasTheBlocksOfItsScript) {
  const JudgeRequest request = review_request({.context = "c",
                                               .question = "q",
                                               .reference = "a1",
                                               .candidate = "a2",
                                               .role = "Assistant",
                                               .rule = "r"});
  ASSERT_EQ(request.messages.size(), 2U);
  EXPECT_EQ(request.messages[0].first, "system");
  EXPECT_EQ(request.messages[0].second,
            "You are a helpful and precise assistant for checking the quality of the answer.");
  EXPECT_EQ(request.messages[1].second,
            "[Context]\nc\n\n[Question]\nq\n\n[Assistant 1]\na1\n\n[End of Assistant 1]\n\n"
            "[Assistant 2]\na2\n\n[End of Assistant 2]\n\n[System]\nr\n\n");
  const Json body = completion_body(request, "gpt");
  EXPECT_EQ(body["temperature"], 0.2);
  EXPECT_EQ(body["max_tokens"], 1024);
  EXPECT_EQ(body["model"], "gpt");
}

TEST(JudgeRequest, OfMmVetPadsTheWordsBetweenGolds) {
  JudgeRequest request = grade_request("examples\n", "q?", "1<AND>2<OR>3", "two");
  EXPECT_EQ(request.messages.at(0).second, "examples\n\nq? | 1 <AND> 2 <OR> 3 | two | ");
  EXPECT_EQ(completion_body(request, "gpt")["max_tokens"], 3);
  insist(request);
  EXPECT_TRUE(
      request.messages[0].second.ends_with("| \nPredict the correctness of the answer (digit): "));
}

TEST(Grade, IsTheFirstWordFromZeroToOne) {
  EXPECT_EQ(parse_grade("0.5"), 0.5);
  EXPECT_EQ(parse_grade("1.0 because"), 1.0);
  EXPECT_EQ(parse_grade("0.3\nno"), std::nullopt);  // only a blank parts words
  EXPECT_EQ(parse_grade("1.1"), std::nullopt);
  EXPECT_EQ(parse_grade("-0.1"), std::nullopt);
  EXPECT_EQ(parse_grade("Correctness: 1"), std::nullopt);
}

TEST(Completion, ThatIsNoneSaysWhatTheServerSaid) {
  EXPECT_EQ(
      read_completion(R"({"model": "m", "choices": [{"message": {"content": "8 9"}}]})", "x").text,
      "8 9");
  test::expect_error(ErrorCode::invalid_data, "no quota",
                     [] { read_completion(R"({"error": {"message": "no quota"}})", "x"); });
}

class Judging : public testing::Test {
 protected:
  Answers answers(const std::string& lines) {
    return read_answers(folder_.write("answers/a.jsonl", lines));
  }

  test::TemporaryFolder folder_;
};

class LlavaBench : public Judging {
 protected:
  void SetUp() override {
    folder_.write("questions.jsonl",
                  R"({"question_id": 0, "image": "1.jpg", "text": "q0", "category": "conv"})"
                  "\n"
                  R"({"question_id": 1, "image": "2.jpg", "text": "q1", "category": "detail"})"
                  "\n");
    folder_.write("context.jsonl", R"({"id": "1", "image": "1.jpg", "caption": "one"})"
                                   "\n"
                                   R"({"id": "2", "image": "2.jpg", "caption": ["two", "lines"]})"
                                   "\n");
    folder_.write("answers_gpt4.jsonl", R"({"question_id": 0, "text": "r0", "answer_id": "x"})"
                                        "\n"
                                        R"({"question_id": 1, "text": "r1", "answer_id": "y"})"
                                        "\n");
    folder_.write("rule.json",
                  R"({"llava_bench_conv": {"role": "Assistant", "prompt": "rule c"},)"
                  R"( "llava_bench_detail": {"role": "Assistant", "prompt": "rule d"}})");
  }

  const std::string lines_ =
      "{\"question_id\": 0, \"text\": \"a0\"}\n{\"question_id\": 1, \"text\": \"a1\"}\n";
};

TEST_F(LlavaBench, ReviewsAreInThePublishedFormAndScore) {
  std::vector<std::string> asked;
  const Judge judge = [&](const JudgeRequest& request) {
    asked.push_back(request.messages.at(1).second);
    return JudgeReply{.model = "m", .text = asked.size() == 1 ? "8 6\nwell" : "10, 5"};
  };
  const DataFolder data(folder_.path());
  judge_answers("llava-bench", data, answers(lines_), judge, folder_ / "reviews.jsonl");
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_TRUE(asked[1].starts_with("[Context]\ntwo\nlines\n\n[Question]\nq1\n\n")) << asked[1];
  EXPECT_TRUE(asked[1].ends_with("[System]\nrule d\n\n"));
  const Score score =
      score_answers(find_task("llava-bench"), data, read_answers(folder_ / "reviews.jsonl"), {});
  EXPECT_EQ(score.metric("llava_bench_conv").shown, "75.0");
  EXPECT_EQ(score.metric("all: candidate").shown, "25.0");  // 6 and -1
}

TEST_F(LlavaBench, JudgingThatStoppedGoesOn) {
  int asked = 0;
  const Judge judge = [&](const JudgeRequest&) {
    if (++asked == 2) throw Error(ErrorCode::network, "gone");
    return JudgeReply{.model = "m", .text = "8 6"};
  };
  const DataFolder data(folder_.path());
  const Answers given = answers(lines_);
  test::expect_error(ErrorCode::network, "gone", [&] {
    judge_answers("llava-bench", data, given, judge, folder_ / "reviews.jsonl");
  });
  judge_answers("llava-bench", data, given, judge, folder_ / "reviews.jsonl");
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(read_answers(folder_ / "reviews.jsonl").rows.size(), 2U);
}

TEST_F(LlavaBench, NamesTheFileThatItsJudgeNeeds) {
  std::filesystem::remove(folder_ / "rule.json");
  test::expect_error(ErrorCode::not_found, "rule.json", [&] {
    judge_answers("llava-bench", DataFolder(folder_.path()), answers(lines_), {},
                  folder_ / "reviews.jsonl");
  });
}

class MmVet : public Judging {
 protected:
  void SetUp() override {
    folder_.write("mm-vet.json",
                  R"({"v1_0": {"imagename": "a", "question": "q", "answer": "x<AND>y",)"
                  R"( "capability": ["rec"]}})");
    folder_.write("mm-vet_evaluator.py", "import os\nprompt = \"\"\"Compare.\n\"\"\"\nother = 1\n");
  }

  Json judged(std::vector<std::string> replies) {
    temperatures_.clear();
    const Judge judge = [&](const JudgeRequest& request) {
      temperatures_.push_back(request.temperature);
      last_ = request.messages.at(0).second;
      return JudgeReply{.model = "m", .text = replies.at(temperatures_.size() - 1)};
    };
    judge_answers("mm-vet", DataFolder(folder_.path()),
                  answers("{\"question_id\": 0, \"text\": \"p\"}\n"), judge,
                  folder_ / "grades.json");
    Json grades = read_json_file(folder_ / "grades.json", ErrorCode::invalid_data);
    std::filesystem::remove(folder_ / "grades.json");
    return grades["v1_0"];
  }

  std::vector<double> temperatures_;
  std::string last_;
};

TEST_F(MmVet, GradeComesFromTheFirstReplyThatIsOne) {
  EXPECT_EQ(judged({"0.4 so"}),
            Json::parse(R"({"model": ["m"], "content": ["0.4"], "score": [0.4]})"));
  EXPECT_EQ(last_, "Compare.\n\nq | x <AND> y | p | ");
}

TEST_F(MmVet, AsksAgainWarmerAndGivesUpAsItsEvaluatorDoes) {
  EXPECT_EQ(judged({"what", "2", "0.7"})["score"], Json::parse("[0.7]"));
  EXPECT_EQ(temperatures_, (std::vector<double>{0, 0, 0.5}));
  const Json given_up = judged({"a", "b", "c", "d", "e", "0.9"});
  EXPECT_EQ(given_up["score"], Json::parse("[0.0]"));  // the fifth reply is not read any more
  EXPECT_EQ(temperatures_.size(), 6U);
  EXPECT_EQ(temperatures_.back(), 2);
}

TEST(JudgedTasks, AreTwo) {
  const test::TemporaryFolder folder;
  test::expect_error(ErrorCode::invalid_argument, "mm-vet", [&] {
    judge_answers("pope", DataFolder(folder.path()), {}, {}, folder / "x");
  });
}

}  // namespace
}  // namespace vila::eval
