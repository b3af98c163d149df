// SPDX-License-Identifier: Apache-2.0
#include "eval/harness.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/random.h"
#include "data/html.h"
#include "eval/answer_log.h"
#include "eval/compare.h"
#include "eval/report.h"
#include "media/decode.h"
#include "support/benchmark_data.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::eval {
namespace {

namespace fs = std::filesystem;

// A model that answers by the words of the question.
std::string fake_answer(const std::string& prompt) {
  if (prompt.find("\nA. ") != std::string::npos) return prompt.find("cat") < 30 ? "A" : "B";
  if (prompt.find("red") != std::string::npos) return " Yes\n";
  return prompt.find("word 1") != std::string::npos ? "go" : "cat";
}

class Harness : public testing::Test {
 protected:
  DataFolder data(const std::string& task) {
    const std::string picture = media::encode_png(media::Image(5, 4, {200, 10, 10}));
    test::write_benchmark(folder_ / task, task, picture);
    return DataFolder(folder_ / task);
  }

  EvalOptions options(const std::string& name) const {
    EvalOptions options;
    options.out = folder_ / name;
    options.model = "fake";
    options.decoding = "greedy";
    return options;
  }

  // Answers in reverse, as a batch may end in any order; "" answers by the words of the question.
  Model model(const std::string& answer = "") {
    return {.generate =
                [this, answer](std::span<const Prompt> prompts, const OnReply& on_reply) {
                  for (size_t i = prompts.size(); i-- > 0;) {
                    for (const auto& picture : prompts[i].pictures)
                      EXPECT_EQ(picture->width, 5);
                    EXPECT_EQ(prompts[i].text.find("<image>"), std::string::npos);
                    EXPECT_EQ(prompts[i].pictures_in_front, std::ssize(prompts[i].pictures));
                    ++asked_;
                    on_reply(i, {.text = answer.empty() ? fake_answer(prompts[i].text) : answer,
                                 .error = ""});
                  }
                },
            .log_likelihoods = {},
            .losses = {}};
  }

  Json run(const std::string& task, const EvalOptions& options, const std::string& answer = "") {
    const DataFolder folder = data(task);
    return run_task(find_task(task), folder, model(answer), pictures_, options);
  }

  test::TemporaryFolder folder_;
  PictureStore pictures_;
  int asked_ = 0;
};

class EachTask : public Harness, public testing::WithParamInterface<const char*> {};

TEST_P(EachTask, GoesFromPublishedFilesToTheScoreThatScoringItsAnswersGives) {
  const std::string task = GetParam();
  const Json result = run(task, options("out"));

  EXPECT_EQ(result["questions"].get<int>(), asked_);
  const Answers answers = read_answers(folder_ / "out/answers.jsonl");
  const Json again =
      score_json(score_answers(find_task(task), DataFolder(folder_ / task), answers, {}));
  EXPECT_EQ(again["metrics"], result["metrics"]);
  EXPECT_EQ(again["intervals"], result["intervals"]);
  EXPECT_FALSE(result["score"].is_null()) << result.dump();
  for (const auto& [name, count] : result["counts"].items())
    EXPECT_TRUE(count == 0 || result["intervals"].contains(name)) << name << " has no interval";
  EXPECT_NE(read_file(folder_ / "out/report.html").find("</html>"), std::string::npos);
}

TEST_P(EachTask, GivesTheSameAfterACrashAtAnyByte) {
  const std::string task = GetParam();
  const Json whole = run(task, options("whole"));
  const std::string answers = read_file(folder_ / "whole/answers.jsonl");
  const std::string protocol = read_file(folder_ / "whole/protocol.json");
  Random random(1);
  for (int i = 0; i < 5; ++i) {
    EvalOptions resumed = options("cut" + std::to_string(i));
    const auto cut = static_cast<size_t>(random.below(static_cast<int64_t>(answers.size())));
    folder_.write(resumed.out / "answers.jsonl", answers.substr(0, cut));
    folder_.write(resumed.out / "protocol.json", protocol);
    resumed.is_resumed = true;
    EXPECT_EQ(run(task, resumed), whole);
    EXPECT_EQ(read_file(resumed.out / "answers.jsonl"), answers) << "cut at " << cut;
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, EachTask,
                         testing::Values("vqav2", "gqa", "vizwiz", "scienceqa", "textvqa", "pope",
                                         "mme", "mmbench", "mmbench-cn", "seed-bench",
                                         "llava-bench", "mm-vet", "chartqa", "docvqa", "tsv"),
                         [](const auto& task) {
                           std::string name = task.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_F(Harness, AsksOnlyWhatIsNotAnsweredYet) {
  run("pope", options("out"));
  asked_ = 0;
  EvalOptions resumed = options("out");
  resumed.is_resumed = true;
  run("pope", resumed);
  EXPECT_EQ(asked_, 0);
}

// What a batch has finished when it breaks off is on the disk already.
TEST_F(Harness, KeepsEachAnswerAsSoonAsTheModelHasIt) {
  const DataFolder folder = data("pope");
  Model dying = model();
  dying.generate = [&](std::span<const Prompt> prompts, const OnReply& on_reply) {
    for (size_t i = 0; i < 3; ++i) {
      on_reply(i, {.text = "Yes", .error = ""});
      EXPECT_EQ(read_answers(folder_ / "out/answers.jsonl").rows.size(), i + 1);
    }
    on_reply(3, {.text = "", .error = "died"});
    EXPECT_EQ(prompts.size(), 12U);
  };
  test::expect_error(ErrorCode::failed, "died", [&] {
    run_task(find_task("pope"), folder, dying, pictures_, options("out"));
  });
  EvalOptions resumed = options("out");
  resumed.is_resumed = true;
  run("pope", resumed);
  EXPECT_EQ(asked_, 9);
}

TEST_F(Harness, RefusesToMixOrToOverwriteAnswers) {
  run("pope", options("out"));
  test::expect_error(ErrorCode::invalid_argument, "--resume", [&] { run("pope", options("out")); });
  EvalOptions other = options("out");
  other.is_resumed = true;
  other.model = "another";
  test::expect_error(ErrorCode::invalid_argument, "another", [&] { run("pope", other); });
  other = options("out");
  other.is_resumed = true;
  other.decoding = "beams";
  test::expect_error(ErrorCode::invalid_argument, "protocol_id", [&] { run("pope", other); });
}

TEST_F(Harness, NamesTheRowOfAMissingPictureBeforeItAsks) {
  const DataFolder folder = data("pope");
  fs::remove(folder_ / "pope/val2014/COCO_val2014_1.jpg");
  test::expect_error(ErrorCode::not_found, "llava_pope_test.jsonl:1", [&] {
    run_task(find_task("pope"), folder, model(), pictures_, options("out"));
  });
  EXPECT_EQ(asked_, 0);
}

TEST_F(Harness, WritesAnswersInTheOrderOfTheQuestionsWhateverTheBatch) {
  EvalOptions one_by_one = options("one");
  one_by_one.batch = 1;
  EvalOptions together = options("five");
  together.batch = 5;
  EXPECT_EQ(run("pope", one_by_one), run("pope", together));
  EXPECT_EQ(read_file(folder_ / "one/answers.jsonl"), read_file(folder_ / "five/answers.jsonl"));
  int64_t last = -1;
  for (const Answer& answer : read_answers(folder_ / "five/answers.jsonl").rows) {
    EXPECT_LT(last, std::stoll(answer.id));
    last = std::stoll(answer.id);
  }
}

TEST_F(Harness, NamesTheRowOfAPromptThatTheModelRefuses) {
  const DataFolder folder = data("pope");
  Model refusing = model();
  refusing.generate = [](std::span<const Prompt> prompts, const OnReply& on_reply) {
    on_reply(prompts.size() - 1, {.text = "", .error = "too long"});
  };
  test::expect_error(ErrorCode::failed, "llava_pope_test.jsonl:12", [&] {
    run_task(find_task("pope"), folder, refusing, pictures_, options("out"));
  });
}

TEST_F(Harness, DecodesAPictureOnceForAllBenchmarks) {
  run("pope", options("pope"));
  run("gqa", options("gqa"));  // other names, the same content
  EXPECT_EQ(pictures_.decoded(), 1);
}

TEST(PictureStore, ForgetsTheOneNotUsedForLongest) {
  const std::string red = media::encode_png(media::Image(10, 10, {200, 0, 0}));
  const std::string blue = media::encode_png(media::Image(10, 10, {0, 0, 200}));
  PictureStore store(500);  // bytes: one picture of 300 and a part of another
  const auto first = store.decode(red, "red");
  EXPECT_EQ(store.decode(red, "red"), first);
  store.decode(blue, "blue");
  EXPECT_NE(store.decode(red, "red"), first);
  EXPECT_EQ(store.decoded(), 3);
}

TEST_F(Harness, ScoresAPartWhenLimited) {
  EvalOptions limited = options("out");
  limited.limit = 2;
  const Json result = run("gqa", limited);
  EXPECT_EQ(result["counts"]["accuracy"], 2);
  EXPECT_NE(result["notes"].dump().find("a part only"), std::string::npos);
}

TEST_F(Harness, ComparesTwoModelsOnTheSameQuestions) {
  run("pope", options("a"), "Yes");
  run("pope", options("b"), "No");
  const Comparison found = compare_results(folder_ / "a", folder_ / "b");
  EXPECT_EQ(found.questions, 12);
  EXPECT_EQ(found.differences.size(), 12U);
  EXPECT_EQ(found.test.p_value, 1);
  EXPECT_NE(comparison_text(found).find("McNemar"), std::string::npos);

  run("gqa", options("c"));
  test::expect_error(ErrorCode::invalid_argument, "same questions",
                     [&] { compare_results(folder_ / "a", folder_ / "c"); });
}

TEST_F(Harness, MakesACardInTheFormOfVilasTable) {
  const std::vector<Json> results = {run("pope", options("p")), run("mmbench", options("m"))};
  const std::string card = markdown_card("fake", results);
  EXPECT_NE(card.find("| model | VQAv2 | GQA | VizWiz | SQA-I | VQA-T | POPE | MME | MMB |"),
            std::string::npos);
  EXPECT_NE(card.find("| 66.7 | | 0.0 |"), std::string::npos) << card;
  const Json json = json_card("fake", results);
  EXPECT_NEAR(json["results"]["POPE"]["value"].get<double>(), 66.6667, 1e-3);
  EXPECT_FALSE(json.contains("average w/o MME"));
}

TEST(ProtocolId, ChangesWithQuestionPictureParserAndDecodingAlone) {
  const test::TemporaryFolder folder;
  folder.write("dog.png", "not decoded here");
  const DataFolder data(folder.path());
  std::vector<Question> questions(1);
  questions[0].prompt = "What?";
  questions[0].image = "dog.png";
  const auto id_of = [&](const char* task, const char* decoding) {
    return protocol_id(find_task(task), data, questions, decoding);
  };
  const std::string id = id_of("pope", "greedy");
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(id_of("pope", "greedy"), id);
  EXPECT_NE(id_of("mme", "greedy"), id);
  EXPECT_NE(id_of("pope", "beams"), id);
  folder.write("dog.png", "a smaller copy");
  EXPECT_NE(id_of("pope", "greedy"), id);
  folder.write("dog.png", "not decoded here");
  EXPECT_EQ(id_of("pope", "greedy"), id);
  questions[0].options = {"a dog"};
  EXPECT_NE(id_of("pope", "greedy"), id);
  questions[0].options.clear();
  questions[0].prompt = "Who?";
  EXPECT_NE(id_of("pope", "greedy"), id);
}

TEST(Base64, DecodesEachLength) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd", "\xFF\x00\x80"})
    EXPECT_EQ(decode_base64(data::base64(text), "x"), text);
  test::expect_error(ErrorCode::invalid_data, "row 3", [] { decode_base64("a*b", "row 3"); });
}

}  // namespace
}  // namespace vila::eval
