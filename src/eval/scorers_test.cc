// SPDX-License-Identifier: Apache-2.0
// What the conformance archives do not hold: small data made here, figures worked out by hand from
// the official scripts.
#include <gtest/gtest.h>

#include "base/file.h"
#include "eval/task.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::eval {
namespace {

class Scorers : public testing::Test {
 protected:
  Score score(const char* task, const std::string& answers, const ScoreOptions& options = {}) {
    return score_answers(find_task(task), DataFolder(folder_.path()),
                         read_answers(folder_.write("answers/a.jsonl", answers)), options);
  }

  test::TemporaryFolder folder_;
};

std::string mme_answer(const std::string& id, const std::string& question,
                       const std::string& text) {
  return "{\"question_id\": \"" + id + "\", \"prompt\": \"" + question +
         "\\nAnswer the question using a single word or phrase.\", \"text\": \"" + text + "\"}\n";
}

class Mme : public Scorers {
 protected:
  void SetUp() override {
    std::string questions;
    for (const char* id : {"color/1.jpg", "color/2.jpg", "code_reasoning/images/3.png"}) {
      for (const char* text : {"Is it red?", "Is it blue?"}) {
        questions += "{\"question_id\": \"" + std::string(id) + "\", \"image\": \"" + id +
                     "\", \"text\": \"" + text +
                     "\\nAnswer the question using a single word or phrase.\"}\n";
      }
    }
    folder_.write("llava_mme.jsonl", questions);
    const std::string gold =
        "Is it red? Please answer yes or no.\tYes\nIs it blue?  Please answer yes or no.\tNo\n";
    folder_.write("release/color/1.txt", gold);
    folder_.write("release/color/2.txt", gold);
    folder_.write("release/code_reasoning/questions_answers_YN/3.txt", gold);
  }

  std::string answers(const std::vector<std::string>& texts) const {
    std::string lines;
    size_t i = 0;
    for (const char* id : {"color/1.jpg", "color/2.jpg", "code_reasoning/images/3.png"}) {
      lines += mme_answer(id, "Is it red?", texts[i++]);
      lines += mme_answer(id, "Is it blue?", texts[i++]);
    }
    return lines;
  }
};

TEST_F(Mme, AddsAccuracyAndAccuracyPlus) {
  const Score found = score("mme", answers({"Yes", "Nope", "yes", "I say no", "Not", "No"}));
  EXPECT_EQ(found.metric("accuracy: color").shown, "75.00");
  EXPECT_EQ(found.metric("accuracy+: color").shown, "50.00");
  EXPECT_EQ(found.metrics.front().name, "perception");
  EXPECT_EQ(found.metrics.front().value, 125);
  EXPECT_EQ(found.metric("cognition").value, 50);
  EXPECT_EQ(found.items[3].outcome, Outcome::unparsed);  // "i sa" holds neither
}

TEST_F(Mme, RefusesAQuestionWithoutAnswerUnlessAPartIsAskedFor) {
  std::string lines = answers({"Yes", "No", "Yes", "No", "Yes", "No"});
  lines.resize(lines.rfind('{'));
  test::expect_error(ErrorCode::invalid_data, "llava_mme.jsonl:6", [&] { score("mme", lines); });
  EXPECT_EQ(score("mme", lines, {.is_partial = true}).items.size(), 5U);
}

TEST_F(Scorers, SeedTakesOnlyTheBareLetter) {
  folder_.write("SEED-Bench.json",
                "{\"questions\": [{\"question_id\": \"1\", \"answer\": \"A\", \"data_type\": "
                "\"image\", \"question_type_id\": 1}, {\"question_id\": \"v2\", \"answer\": \"B\", "
                "\"data_type\": \"video\", \"question_type_id\": 10}, {\"question_id\": \"3\", "
                "\"answer\": \"C\", \"data_type\": \"image\", \"question_type_id\": 1}], "
                "\"question_type\": {\"Scene\": 1, \"Action\": 10}}");
  const Score found = score("seed-bench",
                            "{\"question_id\": 1, \"text\": \"A\"}\n"
                            "{\"question_id\": \"v2\", \"text\": \"B.\"}\n");
  EXPECT_EQ(found.metrics.front().shown, "33.33");
  EXPECT_EQ(found.metric("image accuracy").shown, "50.00");
  EXPECT_EQ(found.metric("video accuracy").shown, "0.00");
  EXPECT_EQ(found.metric("type: Scene").count, 2);
  EXPECT_EQ(found.items[1].outcome, Outcome::unparsed);
  EXPECT_EQ(found.items[2].outcome, Outcome::missing);
}

TEST_F(Scorers, SeedReadsTheKeyOfItsRepositoryWithRepeatedRowsAndCommas) {
  folder_.write("GPT-4V.json",
                "{\"question_id\": \"1\", \"prediction\": \"A\", \"gt_answer\": \"B\"},\n"
                "{\"question_id\": \"1\", \"prediction\": \"A\", \"gt_answer\": \"B\"},\n"
                "{\"question_id\": \"v2\", \"prediction\": \"A\", \"gt_answer\": \"C\"},\n");
  const Score found = score("seed-bench",
                            "{\"question_id\": 1, \"prediction\": \"B\"}\n"
                            "{\"question_id\": \"v2\", \"prediction\": \"A\"}\n");
  EXPECT_EQ(found.metrics.front().shown, "50.00");
  EXPECT_EQ(found.metrics.front().count, 2);
}

TEST_F(Scorers, SeedUploadFollowsTheReleaseAndQuotesEachIdentifier) {
  folder_.write("SEED-Bench.json",
                "{\"questions\": [{\"question_id\": \"v2\", \"answer\": \"B\"}, "
                "{\"question_id\": \"1\", \"answer\": \"A\"}], \"question_type\": {}}");
  folder_.write("llava-seed-bench.jsonl",
                "{\"question_id\": 1, \"image\": \"a\", \"text\": \"q\"}\n"
                "{\"question_id\": \"v2\", \"image\": \"a\", \"text\": \"q\"}\n");
  const Answers answers = read_answers(folder_.write(
      "a.jsonl",
      "{\"question_id\": 1, \"text\": \"A\"}\n{\"question_id\": \"v2\", \"text\": \"\u00E9\"}\n"));
  EXPECT_EQ(find_task("seed-bench").upload(DataFolder(folder_.path()), answers).content,
            "{\"question_id\": \"v2\", \"prediction\": \"\\u00e9\"}\n"
            "{\"question_id\": \"1\", \"prediction\": \"A\"}\n");
}

TEST_F(Scorers, MmVetUploadIsTextByIdentifierIndentedByTwo) {
  const Answers answers = read_answers(folder_.write(
      "a.jsonl",
      "{\"question_id\": 0, \"text\": \"a \\\"b\\\"\"}\n{\"question_id\": 1, \"text\": \"\"}\n"));
  EXPECT_EQ(find_task("mm-vet").upload(DataFolder(folder_.path()), answers).content,
            "{\n  \"v1_0\": \"a \\\"b\\\"\",\n  \"v1_1\": \"\"\n}");
}

TEST_F(Scorers, MmVetAveragesRunsAndRoundsAsNumpy) {
  folder_.write("mm-vet.json",
                "{\"v1_0\": {\"imagename\": \"a.png\", \"question\": \"q\", \"answer\": \"1\", "
                "\"capability\": [\"ocr\", \"rec\"]}, \"v1_1\": {\"imagename\": \"b.png\", "
                "\"question\": \"q\", \"answer\": \"2\", \"capability\": [\"rec\"]}}");
  const Score found = score("mm-vet",
                            "{\n\"v1_0\": {\"model\": [\"m\", \"m\"], \"content\": [\"0.5\", "
                            "\"0.6\"], \"score\": [0.5, 0.6]},\n\"v1_1\": {\"model\": [\"m\", "
                            "\"m\"], \"content\": [\"1\", \"1\"], \"score\": [1.0, 1.0]}\n}");
  EXPECT_EQ(found.metrics.front().shown, "77.5");
  EXPECT_EQ(found.metric("capability: ocr").shown, "55.0");
  EXPECT_EQ(found.metric("combination: ocr_rec").count, 1);
  EXPECT_EQ(found.metric("run 1").shown, "75.0");
  EXPECT_EQ(found.metric("std of runs").shown, "2.5");
}

TEST_F(Scorers, MmVetTakesTheGradesWithTheMostRuns) {
  folder_.write("mm-vet.json",
                "{\"v1_0\": {\"imagename\": \"a.png\", \"question\": \"q\", \"answer\": \"1\", "
                "\"capability\": [\"rec\"]}}");
  folder_.write("m-grade-1runs.json", "{\"v1_0\": {\"score\": [0.1]}}");
  folder_.write("m-grade-3runs.json", "{\"v1_0\": {\"score\": [0.2, 0.3, 0.4]}}");
  const Score found = score("mm-vet", "{\"question_id\": 0, \"text\": \"x\"}\n");
  EXPECT_EQ(found.metrics.front().shown, "30.0");
  EXPECT_NE(found.notes.back().find("3runs"), std::string::npos);
}

TEST_F(Scorers, LlavaBenchCountsAReviewThatDoesNotParseAsMinusOne) {
  const Score found = score("llava-bench",
                            "{\"question_id\": 0, \"category\": \"llava_bench_conv\", "
                            "\"content\": \"8,6\\nbecause\"}\n"
                            "{\"question_id\": 1, \"category\": \"llava_bench_conv\", "
                            "\"content\": \"8, 6\"}\n");
  EXPECT_EQ(found.metric("llava_bench_conv: reference").shown, "35.0");
  EXPECT_EQ(found.metric("llava_bench_conv: candidate").shown, "25.0");
  EXPECT_EQ(found.metrics.front().shown, "71.4");
}

TEST_F(Scorers, LlavaBenchTakesReviewsWithoutCategoryAndLinesAsTheyStand) {
  const Score found = score("llava-bench",
                            "{\"question_id\": 0, \"content\": \"8 6\\r\\nbecause\"}\n"
                            "{\"question_id\": 1, \"content\": \"8 6 \\nbecause\"}\n");
  EXPECT_EQ(found.metric("all: reference").shown, "35.0");
  EXPECT_EQ(found.items[1].outcome, Outcome::unparsed);  // the trailing blank makes three parts
  EXPECT_EQ(found.metrics.size(), 3U);
}

TEST_F(Scorers, TextvqaJoinsByPictureAndLoweredQuestion) {
  const std::string humans =
      "[\"red\", \"red\", \"red\", \"Red.\", \"b\", \"b\", \"b\", \"b\", \"b\", \"b\"]";
  folder_.write("TextVQA_0.5.1_val.json",
                "{\"dataset_name\": \"textvqa\", \"data\": [{\"question_id\": 1, \"image_id\": "
                "\"ab\", \"question\": \"WHAT colour?\", \"answers\": " +
                    humans +
                    "}, {\"question_id\": 2, \"image_id\": \"ab\", \"question\": "
                    "\"who?\", \"answers\": " +
                    humans + "}]}");
  const Score found = score(
      "textvqa",
      "{\"question_id\": \"ab\", \"prompt\": \"What colour?\\nReference OCR token: x\\nAnswer the "
      "question using a single word or phrase.\", \"text\": \"The Red\"}\n"
      "{\"question_id\": \"ab\", \"prompt\": \"OCR tokens: a, b. Question: Who? Short answer:\", "
      "\"text\": \"nobody\"}\n");
  EXPECT_EQ(found.metrics.front().shown, "50.00");
}

TEST_F(Scorers, ScienceQaParsesOnlyWhatItsScriptParses) {
  std::string problems;
  for (int i = 0; i < 6; ++i) {
    problems += (i == 0 ? "[" : ", ");
    problems += "{\"id\": \"" + std::to_string(i) +
                "\", \"image\": \"x.png\", \"conversations\": [{\"from\": \"human\", \"value\": "
                "\"<image>\\nq\\nA. x\\nB. y\"}, {\"from\": \"gpt\", \"value\": \"B\"}]}";
  }
  folder_.write("llava_test_CQM-A.json", problems + "]");
  std::string lines;
  const char* texts[] = {"B", "B. y", "The answer is B.", "B.", "I think The answer is B!"};
  for (int i = 0; i < 5; ++i) {
    lines += "{\"question_id\": \"" + std::to_string(i) +
             "\", \"prompt\": \"<image>\\nq\", \"text\": \"" + texts[i] + "\"}\n";
  }
  const Score found = score("scienceqa", lines);
  EXPECT_EQ(found.metric("IMG accuracy").shown, "80.00");  // "B." fails, and 5 has no prompt
  EXPECT_EQ(found.metric("accuracy").shown, "66.67");
  EXPECT_EQ(found.items[3].outcome, Outcome::unparsed);
}

TEST_F(Scorers, Vqav2UploadListsEveryQuestionOfTheSplit) {
  folder_.write("llava_vqav2_mscoco_test-dev2015.jsonl",
                "{\"question_id\": 1, \"image\": \"a.jpg\", \"text\": \"q\"}\n");
  folder_.write("llava_vqav2_mscoco_test2015.jsonl",
                "{\"question_id\": 2, \"image\": \"a.jpg\", \"text\": \"q\"}\n"
                "{\"question_id\": 1, \"image\": \"a.jpg\", \"text\": \"q\"}\n");
  const Answers answers =
      read_answers(folder_.write("a.jsonl", "{\"question_id\": 1, \"text\": \"Caf\u00E9, a\"}\n"));
  EXPECT_EQ(find_task("vqav2").upload(DataFolder(folder_.path()), answers).content,
            "[{\"question_id\": 2, \"answer\": \"\"}, {\"question_id\": 1, \"answer\": "
            "\"caf\\u00e9\"}]");
}

TEST_F(Scorers, RefuseTheAnswersOfAnotherSplit) {
  folder_.write("gqa_questions.json",
                "{\"1\": {\"isBalanced\": true, \"answer\": \"yes\", \"question\": \"q\", "
                "\"types\": {\"structural\": \"verify\", \"semantic\": \"obj\"}}}");
  test::expect_error(ErrorCode::invalid_data, "another split?", [&] {
    score("gqa",
          "{\"question_id\": \"1\", \"text\": \"Yes.\"}\n{\"question_id\": \"8\", \"text\": "
          "\"x\"}\n{\"question_id\": \"9\", \"text\": \"x\"}\n");
  });
  EXPECT_EQ(score("gqa", "{\"question_id\": \"1\", \"text\": \"Yes..\"}\n").metrics.front().value,
            100);
}

TEST_F(Scorers, NameTheFilesThatAreMissing) {
  test::expect_error(ErrorCode::not_found, "coco_pope_random.json", [&] {
    folder_.write("llava_pope_test.jsonl", "");
    score("pope", "{\"question_id\": 1, \"text\": \"x\"}\n");
  });
  test::expect_error(ErrorCode::invalid_argument, "mm-vet", [] { find_task("nonsense"); });
}

}  // namespace
}  // namespace vila::eval
