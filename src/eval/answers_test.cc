// SPDX-License-Identifier: Apache-2.0
#include "eval/answers.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::eval {
namespace {

class AnswerFiles : public testing::Test {
 protected:
  Answers read(const std::string& content) const {
    return read_answers(folder_.write("a.jsonl", content));
  }

  void expect_refused(const std::string& content, const std::string& part) const {
    test::expect_error(ErrorCode::invalid_data, part, [&] { read(content); });
  }

  test::TemporaryFolder folder_;
};

TEST_F(AnswerFiles, ReadsTheLinesOfLlava) {
  const Answers answers = read(
      "{\"question_id\": 7, \"prompt\": \"What?\", \"text\": \"A cat\", \"metadata\": {}}\n"
      "\n"
      "{\"question_id\": \"n1\", \"text\": \"\"}");
  ASSERT_EQ(answers.rows.size(), 2U);
  EXPECT_EQ(answers.form, AnswerForm::raw);
  EXPECT_EQ(answers.rows[0].id, "7");
  EXPECT_EQ(answers.rows[0].prompt, "What?");
  EXPECT_EQ(answers.rows[1].text, "");
  EXPECT_EQ(answers.rows[1].row, 3);
}

TEST_F(AnswerFiles, ReadsTheFormsOfServers) {
  EXPECT_EQ(read("[{\"image\": \"a.jpg\", \"answer\": \"x\"}]").rows[0].id, "a.jpg");
  EXPECT_EQ(read("[{\"questionId\": \"1\", \"prediction\": \"x\"}]").form, AnswerForm::submission);
  EXPECT_EQ(read("{\n \"v1_0\": \"x\",\n \"v1_1\": \"y\"\n}").rows[1].id, "v1_1");
  const Answers output = read(
      "{\n\"correct\": [\n{\"question_id\": \"4\", \"pred\": \"B\", \"question\": \"q\"}],\n"
      "\"incorrect\": []\n}");
  EXPECT_EQ(output.rows[0].text, "B");
}

TEST_F(AnswerFiles, ReadsASingleLine) {
  for (const std::string end : {"", "\n", "\r\n\n"}) {
    EXPECT_EQ(read("{\"question_id\": 1, \"text\": \"x\"}" + end).rows.size(), 1U);
    EXPECT_EQ(read("{\"v1_0\": \"x\", \"v1_1\": \"y\"}" + end).rows[1].id, "v1_1");
    EXPECT_EQ(read("{\"v1_0\": {\"score\": [0.5]}}" + end).form, AnswerForm::judged);
    EXPECT_EQ(read("{\"correct\": [{\"question_id\": \"4\", \"pred\": \"B\"}]}" + end).rows[0].text,
              "B");
  }
}

TEST_F(AnswerFiles, PassesOverByteOrderMarkAndCarriageReturns) {
  const Answers answers = read(
      "\xEF\xBB\xBF{\"question_id\": 1, \"text\": \"x\"}\r\n{\"question_id\": 2, \"text\": "
      "\"y\"}\r\n");
  ASSERT_EQ(answers.rows.size(), 2U);
  EXPECT_EQ(answers.rows[1].text, "y");
}

TEST_F(AnswerFiles, TakesAnAnswerOfAMegabyte) {
  const std::string text(size_t{1} << 20, 'x');
  EXPECT_EQ(read("{\"question_id\": 1, \"text\": \"" + text + "\"}\n").rows[0].text.size(),
            size_t{1} << 20);
}

TEST_F(AnswerFiles, NamesFileAndLineOfWhatIsBroken) {
  const std::string good = "{\"question_id\": 1, \"text\": \"x\"}\n";
  expect_refused(good + "{\"question_id\": 2, \"text\": \"y", "a.jsonl:2:");
  expect_refused(good + "{\"question_id\": 2, \"text\": \"\xC3(\"}\n",
                 "a.jsonl:2:29: expected UTF-8");
  expect_refused(good + "{\"question_id\": 2}\n", "a.jsonl:2:");
  expect_refused(good + "{\"text\": \"y\"}\n", "\"question_id\"");
  expect_refused("", "an empty file");
}

TEST(AnswerIndex, CountsARepeatedRowOnceAndRefusesTwoAnswers) {
  Answers answers{.source = "a.jsonl", .form = AnswerForm::raw, .rows = {}};
  answers.rows = {{"1", "", "x", {}, 1}, {"1", "", "x", {}, 2}, {"2", "", "y", {}, 3}};
  AnswerIndex index(answers);
  EXPECT_EQ(index.find("1")->text, "x");
  EXPECT_EQ(index.find("3"), nullptr);
  EXPECT_EQ(index.repeated(), 1);
  EXPECT_EQ(index.unused(), 1);
  EXPECT_EQ(index.first_unused()->id, "2");

  answers.rows[1].text = "z";
  test::expect_error(ErrorCode::invalid_data, "a.jsonl: rows 1 and 2",
                     [&] { AnswerIndex again(answers); });
}

}  // namespace
}  // namespace vila::eval
