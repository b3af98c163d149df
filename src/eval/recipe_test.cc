// SPDX-License-Identifier: Apache-2.0
// Benchmarks that are text files: what their keys mean, the rows they read, the shipped ones.
#include "eval/recipe.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "eval/harness.h"
#include "eval/recipe_rows.h"
#include "media/decode.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "support/xz_lines.h"

namespace vila::eval {
namespace {

Row row_of(const char* json) {
  return {Json::parse(json), "x.json: row 1"};
}

TEST(Rows, PathsGoThroughObjectsAndLists) {
  const Row row =
      row_of(R"({"a": {"b": 1}, "c.d": "dot", "l": [{"t": "x"}, {"t": "y"}], "n": null})");
  EXPECT_EQ(text_of(value_at(row.columns(), "a.b")), "1");
  EXPECT_EQ(text_of(value_at(row.columns(), "c.d")), "dot");
  EXPECT_EQ(texts_of(value_at(row.columns(), "l.t")), (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(value_at(row.columns(), "n").is_null());
  EXPECT_EQ(texts_of(Json("['p', \"q's\"]")), (std::vector<std::string>{"p", "q's"}));
}

TEST(Rows, FormsTakeColumnsOptionalOnesAndPaddedNumbers) {
  const Row row = row_of(R"({"q": "why?", "hint": "look", "none": "", "id": 42})");
  EXPECT_EQ(fill("{{ hint? }}{{none?}}{{q}} {{id:6}}.", row), "look\nwhy? 000042.");
  test::expect_error(ErrorCode::invalid_data, "x.json: row 1", [&] { fill("{{absent}}", row); });
  test::expect_error(ErrorCode::invalid_config, "}}", [&] { fill("{{q", row); });
}

class Files : public testing::Test {
 protected:
  std::vector<Row> rows(const std::string& name, const std::string& content,
                        const RowFormat& format = {}) {
    return read_rows(folder_.write(name, content), format);
  }

  test::TemporaryFolder folder_;
};

TEST_F(Files, OfEachFormatGiveRows) {
  EXPECT_EQ(rows("a.tsv", "q\ta\nwhy\tyes\n")[0].columns()["a"], "yes");
  EXPECT_EQ(rows("a.csv", "q,a\n\"why, so\",yes\n")[0].columns()["q"], "why, so");
  EXPECT_EQ(rows("b.csv", "why,yes\n", {.member = "", .columns = {"q", "a"}})[0].columns()["a"],
            "yes");
  EXPECT_EQ(rows("a.jsonl", "{\"q\": 1}\n\n{\"q\": 2}\n")[1].columns()["q"], 2);
  EXPECT_EQ(rows("a.json", "[{\"q\": 1}]")[0].columns()["file"], "a");
  EXPECT_EQ(rows("b.json", "{\"data\": [{\"q\": 1}]}", {.member = "data", .columns = {}}).size(),
            1U);
  const auto keyed = rows("c.json", "{\"u\": 3, \"v\": {\"q\": 1}}");
  EXPECT_EQ(keyed[0].columns()["value"], 3);
  EXPECT_EQ(keyed[1].columns()["key"], "v");
}

TEST_F(Files, ThatAreBrokenAreRefusedByFileAndRow) {
  test::expect_error(ErrorCode::invalid_data, "a.jsonl:2",
                     [&] { rows("a.jsonl", "{\"q\": 1}\n{\"q\": }\n"); });
  test::expect_error(ErrorCode::invalid_data, "a.csv:2", [&] { rows("a.csv", "q,a\nonly\n"); });
  test::expect_error(ErrorCode::invalid_data, ".txt", [&] { rows("a.txt", "x"); });
  test::expect_error(ErrorCode::invalid_data, "data",
                     [&] { rows("b.json", "{}", {.member = "data", .columns = {}}); });
}

constexpr const char* kOwn = R"(
task: own
dataset_path: [own.jsonl]
doc_to_id: "{{id}}"
doc_to_text: "{{question}}"
doc_to_target: answer
)";

TEST(Recipe, IsReadWithDefaults) {
  const Recipe recipe = parse_recipe(kOwn, "own.yaml");
  EXPECT_EQ(recipe.title, "own");
  EXPECT_EQ(recipe.rule, Rule::exact);
  EXPECT_EQ(recipe.max_tokens, 128);
  EXPECT_FALSE(recipe.is_raw);
}

TEST(Recipe, TakesOneTextForAListOfOne) {
  std::string own = kOwn;
  own.replace(own.find("[own.jsonl]"), 11, "own.jsonl");
  EXPECT_EQ(parse_recipe(own, "own.yaml").source.files,
            parse_recipe(kOwn, "own.yaml").source.files);
}

TEST(Recipe, WithAFaultIsRefusedByKey) {
  const auto refuses = [](const std::string& more, const char* message) {
    test::expect_error(ErrorCode::invalid_config, message,
                       [&] { parse_recipe(kOwn + more, "own.yaml"); });
  };
  refuses("metrik: x\n", "own.yaml.metrik: unknown key");
  refuses("metric: bleu\n", "relaxed_accuracy");
  refuses("output_type: multiple_choice\n", "doc_to_choice");
  refuses("target_form: number\n", "target_form");
  refuses("aggregation: mean_of_groups\n", "group_by");
  refuses("fewshot: {dataset_path: [a.jsonl], doc_to_text: x}\n", "{{target}}");
  refuses("num_frames: 0\n", "num_frames");
  refuses("  : [", "own.yaml:");
  test::expect_error(ErrorCode::invalid_config, "task", [] { parse_recipe("title: x\n", "y"); });
}

TEST(Recipe, ShippedOnesAreReadAndHaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Task& task : tasks())
    EXPECT_TRUE(names.insert(task.name).second) << task.name;
  for (const char* name : {"mmmu", "mathvista", "blink", "videomme", "nextqa", "mvbench",
                           "egoschema", "okvqa-shot", "coco-caption-shot", "mmlu", "gsm8k"})
    EXPECT_TRUE(names.contains(name)) << name;
  EXPECT_EQ(parse_recipe(shipped_recipe_text("gsm8k"), "x").name, "gsm8k");
  test::expect_error(ErrorCode::invalid_argument, "gsm8k", [] { shipped_recipe_text("gsm9k"); });
}

TEST(Recipe, NumberOfExamplesIsInTheName) {
  EXPECT_EQ(find_task("okvqa-8shot").title, "OK-VQA 8-shot");
  EXPECT_NE(find_task("okvqa-8shot").protocol.find("8 examples"), std::string::npos);
  EXPECT_EQ(find_task("okvqa-0shot").protocol.find("examples"), std::string::npos);
  test::expect_error(ErrorCode::invalid_argument, "okvqa-shot", [] { find_task("okvqa-xshot"); });
}

// A folder with a recipe's data, and its questions and score.
class RecipeData : public testing::Test {
 protected:
  std::vector<Question> questions(const Task& task) {
    return task.questions(DataFolder(folder_.path()));
  }

  Score score(const Task& task, const std::vector<std::string>& texts) {
    Answers answers{.source = "answers", .form = AnswerForm::raw, .rows = {}};
    const auto asked = questions(task);
    for (size_t i = 0; i < asked.size(); ++i) {
      Answer& answer = answers.rows.emplace_back();
      answer.id = asked[i].id;
      answer.text = texts.at(i);
    }
    return score_answers(task, DataFolder(folder_.path()), answers, {});
  }

  Task own(const std::string& yaml) {
    return find_task(folder_.write("recipe.yaml", yaml).string());
  }

  void save_picture(const std::string& name) {
    folder_.write(name, media::encode_png(media::Image(4, 3, {1, 2, 3})));
  }

  test::TemporaryFolder folder_;
};

TEST_F(RecipeData, OwnLinesNeedATextFileAlone) {
  folder_.write(
      "own.jsonl",
      "{\"id\": \"a\", \"question\": \"What?\", \"answer\": [\"cat\", \"kitten\"], "
      "\"image\": \"a.png\", \"kind\": \"easy\"}\n"
      "{\"id\": \"b\", \"question\": \"Who?\", \"answer\": \"dog\", \"kind\": \"hard\"}\n");
  save_picture("a.png");
  const Task task = own(std::string(kOwn) +
                        "metric: contains\ndoc_to_visual: image\ngroup_by: kind\n"
                        "generation_kwargs: {max_new_tokens: 7, until: [\"\\n\"]}\n");
  const auto asked = questions(task);
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].image, "a.png");
  EXPECT_EQ(asked[0].prompt, "What?");
  EXPECT_EQ(asked[0].stop, std::vector<std::string>{"\n"});
  EXPECT_EQ(task.max_tokens, 7);
  const Score found = score(task, {"A Kitten!", "bird"});
  EXPECT_EQ(found.metrics.front().shown, "50.00");
  EXPECT_EQ(found.metric("kind: easy").shown, "100.00");
}

TEST_F(RecipeData, TwoRowsWithOneIdentifierAreRefusedByBoth) {
  const std::string row = "{\"id\": \"a\", \"question\": \"What?\", \"answer\": \"x\"}\n";
  folder_.write("own.jsonl", row + row);
  const Task task = own(kOwn);
  test::expect_error(ErrorCode::invalid_data, "own.jsonl:2", [&] { questions(task); });
}

TEST_F(RecipeData, FewShotPutsTheExamplesOfTheTrainingSetInFront) {
  for (const char* split : {"val", "train"}) {
    Json questions = {{"questions", Json::array()}};
    Json annotations = {{"annotations", Json::array()}};
    for (int i = 0; i < 6; ++i) {
      const int id = i + (split[0] == 't' ? 100 : 0);
      questions["questions"].push_back(
          {{"question_id", id}, {"image_id", id}, {"question", fmt::format("q{}?", id)}});
      Json humans = Json::array();
      for (int k = 0; k < 10; ++k)
        humans.push_back({{"answer", k < 4 ? "rare" : fmt::format("a{}", id)}});
      annotations["annotations"].push_back(
          {{"question_id", id}, {"question_type", "x"}, {"answers", humans}});
      save_picture(fmt::format("{0}2014/COCO_{0}2014_{1:012}.jpg", split, id));
    }
    folder_.write(fmt::format("OpenEnded_mscoco_{}2014_questions.json", split), questions.dump());
    folder_.write(fmt::format("mscoco_{}2014_annotations.json", split), annotations.dump());
  }
  const auto asked = questions(find_task("okvqa-4shot"));
  ASSERT_EQ(asked.size(), 6U);
  ASSERT_EQ(asked[0].pictures.size(), 5U);
  EXPECT_TRUE(asked[0].is_raw);
  EXPECT_EQ(asked[0].pictures[4].file, "val2014/COCO_val2014_000000000000.jpg");
  const std::string& example = asked[0].pictures[0].file;
  EXPECT_TRUE(example.starts_with("train2014/COCO_train2014_0000000001")) << example;
  const std::string id = example.substr(example.size() - 7, 3);
  EXPECT_TRUE(asked[0].prompt.starts_with(
      fmt::format("<image>Question: q{0}? Short answer: a{0}\n<image>Question: ", id)))
      << asked[0].prompt;
  EXPECT_TRUE(asked[0].prompt.ends_with("<image>Question: q0? Short answer:"));
  // The same examples for each question, so that their pictures are encoded once.
  EXPECT_EQ(asked[1].pictures[0].file, example);
  EXPECT_EQ(questions(find_task("okvqa-0shot"))[0].prompt, "<image>Question: q0? Short answer:");
  // "rare" has four of ten humans: worth 1; the others' answer too.
  EXPECT_EQ(score(find_task("okvqa-4shot"), {"rare", "a1", "a2", "none", "a4", "a5"})
                .metrics.front()
                .shown,
            "83.33");
}

TEST_F(RecipeData, CaptionsOfKarpathysSplitsAreScoredTogether) {
  Json images = Json::array();
  for (int i = 0; i < 4; ++i) {
    const std::string name = fmt::format("{}.jpg", i);
    images.push_back({{"split", i < 2 ? "test" : "train"},
                      {"imgid", i},
                      {"filename", name},
                      {"sentences", {{{"raw", "a dog runs fast"}}, {{"raw", "the cat sleeps"}}}}});
    save_picture(name);
  }
  images[1]["sentences"] = {{{"raw", "two birds fly high"}}};
  folder_.write("dataset_flickr30k.json", Json{{"images", images}}.dump());
  const Task task = find_task("flickr30k-2shot");
  EXPECT_EQ(questions(task).size(), 2U);
  const Score found = score(task, {"a dog runs fast", "nothing at all"});
  EXPECT_EQ(found.metrics.front().name, "CIDEr");
  EXPECT_EQ(found.metric("ROUGE-L").shown, "50.00");
  EXPECT_GT(found.metric("BLEU-4").value, 0);
  EXPECT_GT(found.items[0].score, found.items[1].score);
}

TEST_F(RecipeData, MmluAsksForTheProbabilitiesOfTheLetters) {
  folder_.write("test/high_school_physics_test.csv", "Why?,x,y,z,w,B\n\"How, so?\",1,2,3,4,C\n");
  std::string examples;
  for (int i = 0; i < 7; ++i)
    examples += fmt::format("Q{}?,a,b,c,d,A\n", i);
  folder_.write("dev/high_school_physics_dev.csv", examples);
  const Task task = find_task("mmlu");
  const auto asked = questions(task);
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[1].continuations, (std::vector<std::string>{" A", " B", " C", " D"}));
  EXPECT_TRUE(asked[1].prompt.starts_with(
      "The following are multiple choice questions (with answers) about high school physics.\n\n"
      "Q0?\nA. a\nB. b\nC. c\nD. d\nAnswer: A\n\nQ1?"));
  EXPECT_TRUE(asked[1].prompt.ends_with("Answer: A\n\nHow, so?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"));
  EXPECT_EQ(asked[1].prompt.find("Q5?"), std::string::npos);  // five examples

  const Model model{.generate = {},
                    .log_likelihoods =
                        [](const Prompt&, std::span<const std::string>) {
                          return std::vector<double>{-2, -1, -3, -4};
                        },
                    .losses = {}};
  PictureStore pictures;
  EvalOptions options;
  options.out = folder_ / "out";
  const Json result = run_task(task, DataFolder(folder_.path()), model, pictures, options);
  EXPECT_EQ(result["score"], 50);
  EXPECT_EQ(result["metrics"]["subject: high school physics"], 50);
}

TEST_F(RecipeData, PerplexityIsOfAllTokensTogether) {
  folder_.write("texts.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"abcd\"}\n");
  const Model model{.generate = {}, .log_likelihoods = {}, .losses = [](const std::string& text) {
                      return std::vector<double>(text.size() - 1, text.size() == 2 ? 2.0 : 1.0);
                    }};
  PictureStore pictures;
  EvalOptions options;
  options.out = folder_ / "out";
  const Json result =
      run_task(find_task("text"), DataFolder(folder_.path()), model, pictures, options);
  EXPECT_NEAR(result["score"].get<double>(), std::exp(5.0 / 4), 1e-9);
  EXPECT_NEAR(result["metrics"]["bits per byte"].get<double>(), 5.0 / 6 / std::log(2.0), 1e-9);
}

TEST_F(RecipeData, VideosAreFramesAtEqualDistances) {
  folder_.write("test.csv",
                "video,qid,type,question,answer,a0,a1,a2,a3,a4\n"
                "v1,3,CW,why?,1,a,b,c,d,e\n");
  for (int i = 0; i < 15; ++i)
    save_picture(fmt::format("frames/v1/{}.png", i));
  const auto asked = questions(find_task("nextqa"));
  ASSERT_EQ(asked.size(), 1U);
  ASSERT_EQ(asked[0].pictures.size(), 8U);
  EXPECT_EQ(asked[0].pictures[0].file, "frames/v1/0.png");
  EXPECT_EQ(asked[0].pictures[1].file, "frames/v1/2.png");
  EXPECT_EQ(asked[0].pictures[7].file, "frames/v1/14.png");
  EXPECT_EQ(asked[0].pictures_in_front, 8);
  EXPECT_TRUE(asked[0].prompt.starts_with("why?\nA. a\n"));
  EXPECT_EQ(score(find_task("nextqa"), {"B"}).metric("type: CW").shown, "100.00");
}

TEST_F(RecipeData, AVideoFileStandsForItsFolderOfFrames) {
  folder_.write("test.csv",
                "video,qid,type,question,answer,a0,a1,a2,a3,a4\n"
                "v1,3,CW,why?,1,a,b,c,d,e\n"
                "v2.avi,4,CW,why?,1,a,b,c,d,e\n");
  folder_.write("videos/1164/v1.mp4", "not opened yet");
  folder_.write("videos/v2.avi", "not opened yet");
  const auto asked = questions(find_task("nextqa"));
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].video, "videos/1164/v1.mp4");
  EXPECT_EQ(asked[0].video_frames, 8);
  EXPECT_TRUE(asked[0].pictures.empty());
  EXPECT_TRUE(asked[0].prompt.starts_with("why?\nA. a\n"));
  EXPECT_EQ(asked[1].video, "videos/v2.avi");

  save_picture("frames/v1/0.png");  // frames that someone has taken go before
  const auto again = questions(find_task("nextqa"));
  EXPECT_EQ(again[0].video, "");
  EXPECT_EQ(again[0].pictures.size(), 8U);
  const DataFolder data(folder_.path());
  EXPECT_NE(protocol_id(find_task("nextqa"), data, asked, "greedy"),
            protocol_id(find_task("nextqa"), data, again, "greedy"));
}

TEST_F(RecipeData, OfAVideoThePartIsShownThatItsRowNames) {
  folder_.write("action_sequence.json",
                R"([{"video": "v1.mp4", "question": "why?", "candidates": ["a", "b"],
                     "answer": "a", "start": 3.5, "end": 12},
                    {"video": "v1.mp4", "question": "how?", "candidates": ["a", "b"],
                     "answer": "b"}])");
  folder_.write("star/v1.mp4", "not opened yet");
  const auto asked = questions(find_task("mvbench"));
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].video_part, (media::TimeSpan{3.5, 12}));
  EXPECT_EQ(asked[1].video_part, media::TimeSpan{});
  folder_.write("action_sequence.json",
                R"([{"video": "v1.mp4", "question": "why?", "candidates": ["a", "b"],
                     "answer": "a", "start": "soon", "end": 12}])");
  test::expect_error(ErrorCode::invalid_data, "action_sequence.json",
                     [&] { questions(find_task("mvbench")); });
}

TEST_F(RecipeData, AMissingFolderOfFramesIsNamedWithItsRow) {
  folder_.write("test.csv",
                "video,qid,type,question,answer,a0,a1,a2,a3,a4\n"
                "v1,3,CW,why?,1,a,b,c,d,e\n");
  test::expect_error(ErrorCode::not_found, "frames/v1", [&] { questions(find_task("nextqa")); });
}

TEST_F(RecipeData, MvBenchIsTheMeanOfItsTasks) {
  folder_.write(
      "json/action_count.json",
      R"([{"video": "v1", "question": "q", "candidates": ["two", "3"], "answer": "3"},)"
      R"( {"video": "v1", "question": "r", "candidates": ["two", "3"], "answer": "two"}])");
  folder_.write(
      "json/moving.json",
      R"([{"video": "v1", "question": "q", "candidates": ["up", "down"], "answer": "up"}])");
  save_picture("frames/v1/0.png");
  const Score found = score(find_task("mvbench"), {"B", "B", "A"});
  EXPECT_EQ(found.metrics.front().shown, "75.00");
  EXPECT_EQ(found.metric("file: action_count").shown, "50.00");
}

TEST_F(RecipeData, EgoSchemaJoinsTheAnswersThatArePublic) {
  folder_.write("questions.json",
                R"([{"q_uid": "u", "question": "q", "option 0": "a", "option 1": "b",)"
                R"( "option 2": "c", "option 3": "d", "option 4": "e"}])");
  folder_.write("subset_answers.json", R"({"u": 3})");
  save_picture("frames/u/0.png");
  EXPECT_EQ(score(find_task("egoschema"), {"D"}).metrics.front().shown, "100.00");
}

TEST_F(RecipeData, NumberedPicturesStandWhereTheTextNamesThem) {
  const std::string one(240, 'A');
  const std::string two(240, 'B');
  folder_.write("MMMU_DEV_VAL.tsv",
                "index\tquestion\tA\tB\tanswer\timage\tsplit\tcategory\n"
                "v1\tIs <image 2> like <image 1>?\tyes\tno\tA\t['" +
                    one + "', '" + two +
                    "']\tvalidation\tArt\n"
                    "d1\tNo\tyes\tno\tA\t" +
                    one + "\tdev\tArt\n");
  const auto asked = questions(find_task("mmmu"));
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_TRUE(asked[0].prompt.starts_with("Is <image> like <image>?\nA. yes\nB. no\n"));
  EXPECT_EQ(asked[0].pictures_in_front, 0);
  ASSERT_EQ(asked[0].pictures.size(), 2U);
  EXPECT_EQ(asked[0].pictures[0].base64, two);
  EXPECT_EQ(asked[0].pictures[1].base64, one);
}

TEST_F(RecipeData, ChoicesMayCarryTheirLetters) {
  folder_.write("Video-MME.tsv",
                "question_id\tvideo\tquestion\tcandidates\tanswer\tduration\tdomain\ttask_type\n"
                "1\tv1\tq\t['A. red', 'B. blue']\tB\tshort\tx\ty\n");
  save_picture("frames/v1/0.png");
  EXPECT_NE(questions(find_task("videomme"))[0].prompt.find("\nA. red\nB. blue\n"),
            std::string::npos);
}

// GSM8K as published: each of its own solutions is right, and no other one's is but by chance.
TEST_F(RecipeData, Gsm8kReadsItsOwnSolutions) {
  const std::filesystem::path text = std::filesystem::path(VILA_SOURCE_DIR) / "../shared/data/text";
  if (!std::filesystem::exists(text / "gsm8k-test.jsonl.xz"))
    GTEST_SKIP() << text << " is not there";
  std::string lines;
  std::vector<std::string> solutions;
  for (const std::string& line : test::read_xz_lines(text / "gsm8k-test.jsonl.xz")) {
    lines += line + "\n";
    solutions.push_back(Json::parse(line)["answer"].get<std::string>());
  }
  folder_.write("test.jsonl", lines);
  folder_.write("train.jsonl", lines);
  const Task task = find_task("gsm8k");
  EXPECT_EQ(score(task, solutions).metrics.front().shown, "100.00");
  EXPECT_EQ(score(task, solutions).items.size(), 1319U);
  std::rotate(solutions.begin(), solutions.begin() + 1, solutions.end());
  EXPECT_LT(score(task, solutions).metrics.front().value, 3);
}

TEST_F(RecipeData, MathVistaTakesTypeAndPrecisionFromTheRow) {
  folder_.write("MathVista_MINI.tsv",
                "index\tquestion\tchoices\tanswer\tanswer_type\tprecision\ttask\tcategory\timage\n"
                "1\tHow far?\t\t1.2\tfloat\t1\tgeometry\tx\t" +
                    std::string(240, 'A') +
                    "\n"
                    "2\tWhich?\t['big', 'small']\tsmall\ttext\t\tgeometry\tx\t1\n");
  const auto asked = questions(find_task("mathvista"));
  EXPECT_EQ(asked[1].image_bytes, asked[0].image_bytes);  // row 2 names row 1's picture
  EXPECT_EQ(score(find_task("mathvista"), {"It is 1.21", "B"}).metrics.front().shown, "100.00");
}

}  // namespace
}  // namespace vila::eval
