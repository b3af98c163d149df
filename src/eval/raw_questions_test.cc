// SPDX-License-Identifier: Apache-2.0
// The benchmarks' own files where LLaVA's question files are not there: what is asked must be what
// LLaVA asks, and its answers must be scored as with LLaVA's file.
#include <gtest/gtest.h>

#include "base/file.h"
#include "eval/task.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::eval {
namespace {

constexpr const char* kWord = "\nAnswer the question using a single word or phrase.";
constexpr const char* kLetter =
    "\nAnswer with the option's letter from the given choices directly.";

class OwnFiles : public testing::Test {
 protected:
  std::vector<Question> questions(const char* task) const {
    return find_task(task).questions(DataFolder(folder_.path()));
  }

  // Answers of these texts to the questions in their order.
  Score score(const char* task, const std::vector<std::string>& texts,
              const ScoreOptions& options = {}) const {
    const std::vector<Question> asked = questions(task);
    Answers answers{.source = "answers.jsonl", .form = AnswerForm::raw, .rows = {}};
    for (size_t i = 0; i < texts.size(); ++i) {
      answers.rows.push_back(
          {.id = asked[i].id,
           .prompt = asked[i].stored_prompt.empty() ? asked[i].prompt : asked[i].stored_prompt,
           .text = texts[i],
           .golds = {},
           .row = static_cast<int64_t>(i) + 1});
    }
    return score_answers(find_task(task), DataFolder(folder_.path()), answers, options);
  }

  test::TemporaryFolder folder_;
};

TEST_F(OwnFiles, OfPopeAreAskedInLlavasOrderAndNumbers) {
  for (const char* category : {"random", "popular", "adversarial"}) {
    folder_.write(std::string("coco_pope_") + category + ".json",
                  std::string(R"({"question_id": 1, "image": "COCO_val2014_1.jpg", "text": "Is )") +
                      category + R"( there?", "label": "yes"})" + "\n" +
                      R"({"question_id": 2, "image": "COCO_val2014_2.jpg", "text": "Or not?", )" +
                      R"("label": "no"})" + "\n");
  }
  const auto asked = questions("pope");
  ASSERT_EQ(asked.size(), 6U);
  EXPECT_EQ(asked[0].id, "1");
  EXPECT_EQ(asked[0].category, "adversarial");
  EXPECT_EQ(asked[2].id, "20000001");
  EXPECT_EQ(asked[5].id, "10000002");
  EXPECT_TRUE(asked[5].id_is_number);
  EXPECT_EQ(asked[5].image, "COCO_val2014_2.jpg");
  EXPECT_EQ(asked[4].prompt, std::string("Is random there?") + kWord);
  EXPECT_EQ(score("pope", {"Yes", "No", "Yes", "No", "Yes", "No"}).metrics.front().value, 100);
}

TEST_F(OwnFiles, OfMmeAreAskedWithoutTheirLastSentence) {
  folder_.write("MME/color/0001.txt",
                "Is it red? Please answer yes or no.\tYes\nIs it blue?  Please answer yes or "
                "no.\tNo\n");
  folder_.write("MME/color/0001.jpg", "picture");
  folder_.write("MME/OCR/questions_answers_YN/x.txt",
                "Is it a? Please answer yes or no.\tYes\nIs it b? Please answer yes or no.\tNo\n");
  folder_.write("MME/OCR/images/x.png", "picture");
  const auto asked = questions("mme");
  ASSERT_EQ(asked.size(), 4U);
  EXPECT_EQ(asked[0].id, "color/0001.jpg");
  EXPECT_EQ(asked[0].image, "color/0001.jpg");
  EXPECT_EQ(asked[0].prompt, std::string("Is it red?") + kWord);
  EXPECT_EQ(asked[1].prompt, std::string("Is it blue?") + kWord);
  EXPECT_EQ(asked[2].id, "OCR/images/x.png");
  const Score all = score("mme", {"Yes", "No", "Yes", "Yes"});
  EXPECT_EQ(all.metric("category: color").value, 200);
  EXPECT_EQ(all.metric("category: OCR").value, 50);
}

TEST_F(OwnFiles, OfMmeLeaveNoQuestionOutWithoutAWord) {
  folder_.write("color/0001.txt",
                "Is it red? Please answer yes or no.\tYes\nIs it blue? Please answer yes or "
                "no.\tNo\n");
  folder_.write("color/0001.jpg", "picture");
  test::expect_error(ErrorCode::invalid_data, "Is it blue?", [&] { score("mme", {"Yes"}); });
  EXPECT_EQ(score("mme", {"Yes"}, {.is_partial = true}).items.size(), 1U);
  std::filesystem::remove(folder_ / "color/0001.jpg");
  test::expect_error(ErrorCode::not_found, "0001.txt", [&] { questions("mme"); });
}

TEST_F(OwnFiles, OfMmesToolAreScoredAsItScoresThem) {
  folder_.write("Your_Results/color.txt",
                "0001.jpg\tIs it red? Please answer yes or no.\tYes\n"
                "0001.jpg\tIs it blue?  Please answer yes or no.\tNo\n");
  folder_.write("mine/color.txt",
                "0001.jpg\tIs it red? Please answer yes or no.\tYes\tYes, it is\n"
                "0001.jpg\tIs it blue?  Please answer yes or no.\tNo\tNope\n");
  const Answers answers = read_answers(folder_ / "mine");
  ASSERT_EQ(answers.rows.size(), 2U);
  EXPECT_EQ(answers.rows[1].text, "Nope");
  const Score found =
      score_answers(find_task("mme"), DataFolder(folder_ / "Your_Results"), answers, {});
  EXPECT_EQ(found.metric("category: color").value, 200);
  folder_.write("mine/color.txt", "0001.jpg\tIs it red?\tYes\n");
  test::expect_error(ErrorCode::invalid_data, "color.txt:1",
                     [&] { read_answers(folder_ / "mine"); });
  folder_.write("none/readme.md", "");
  test::expect_error(ErrorCode::invalid_data, "none", [&] { read_answers(folder_ / "none"); });
}

TEST_F(OwnFiles, OfSeedBenchAreAskedWithTheirChoices) {
  folder_.write("SEED-Bench.json",
                R"({"questions": [{"question_id": "101", "question": "What?", "answer": "B",)"
                R"( "choice_a": "x",)"
                R"( "choice_b": "y", "choice_c": "z", "choice_d": 4, "data_id": "55_66",)"
                R"( "data_type": "image", "question_type_id": 1},)"
                R"( {"question_id": "v7", "question": "When?", "answer": "A", "choice_a": "x",)"
                R"( "choice_b": "y", "choice_c": "z", "choice_d": "w", "data_id": "clip.webm",)"
                R"( "data_type": "video", "question_type_id": 10}],)"
                R"( "question_type": {"Scene Understanding": 1, "Action Recognition": 10}})");
  const auto asked = questions("seed-bench");
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].prompt, std::string("What?\nA. x\nB. y\nC. z\nD. 4") + kLetter);
  EXPECT_EQ(asked[0].image, "SEED-Bench-image/55_66");
  EXPECT_TRUE(asked[0].id_is_number);
  EXPECT_EQ(asked[1].image, "SEED-Bench-video-image/10_v7.png");
  EXPECT_FALSE(asked[1].id_is_number);
  const Score found = score("seed-bench", {"B", "B"});
  EXPECT_EQ(found.metric("image accuracy").value, 100);
  EXPECT_EQ(found.metric("type: Action Recognition").value, 0);
}

TEST_F(OwnFiles, OfTextVqaAreAskedWithTheirOcrTokens) {
  const std::string answers = R"(["a", "a", "a", "a", "a", "a", "a", "a", "a", "b"])";
  folder_.write("TextVQA_0.5.1_val.json",
                R"({"data": [{"image_id": "00ff", "question": "What brand?", "answers": )" +
                    answers + R"(}, {"image_id": "00ee", "question": "Who?", "answers": )" +
                    answers + "}]}");
  folder_.write("TextVQA_Rosetta_OCR_v0.2_val.json",
                R"({"data": [{"image_id": "00ff", "ocr_tokens": ["DAKOTA", "DIGITAL"]}]})");
  const auto asked = questions("textvqa");
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].id, "00ff");
  EXPECT_EQ(asked[0].image, "00ff.jpg");
  EXPECT_EQ(asked[0].prompt,
            std::string("What brand?\nReference OCR token: DAKOTA, DIGITAL") + kWord);
  EXPECT_EQ(asked[1].prompt, std::string("Who?\nReference OCR token: ") + kWord);
  EXPECT_EQ(score("textvqa", {"A", "b"}).metrics.front().shown, "65.00");
}

TEST_F(OwnFiles, OfScienceQaAreAskedWithTheirHints) {
  folder_.write("problems.json",
                R"({"1": {"question": "Which?", "choices": ["x", "y"], "answer": 1,)"
                R"( "hint": "Look.", "image": "image.png", "subject": "natural science",)"
                R"( "grade": "grade3"},)"
                R"( "2": {"question": "Why?", "choices": ["p", "q"], "answer": 0, "hint": "",)"
                R"( "image": null}, "3": {"question": "train"}})");
  folder_.write("pid_splits.json", R"({"train": ["3"], "test": ["1", "2"]})");
  const auto asked = questions("scienceqa");
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].image, "1/image.png");
  EXPECT_EQ(asked[0].prompt, std::string("Context: Look.\nWhich?\nA. x\nB. y") + kLetter);
  EXPECT_EQ(asked[1].image, "");
  EXPECT_EQ(asked[1].prompt, std::string("Why?\nA. p\nB. q") + kLetter);
  const Score found = score("scienceqa", {"B", "B. q"});
  EXPECT_EQ(found.metric("IMG accuracy").value, 100);
  EXPECT_EQ(found.metric("accuracy").value, 50);

  folder_.write("pid_splits.json", R"({"test": ["9"]})");
  test::expect_error(ErrorCode::invalid_data, "9", [&] { questions("scienceqa"); });
}

}  // namespace
}  // namespace vila::eval
