// SPDX-License-Identifier: Apache-2.0
// The figures that the official scorers give for real answers of LLaVA-1.5-13B and for made-up
// ones.
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/strings.h"
#include "eval/normalise.h"
#include "eval/python_text.h"
#include "eval/table.h"
#include "eval/task.h"
#include "support/temporary_folder.h"
#include "support/unpack.h"

namespace vila::eval {
namespace {

namespace fs = std::filesystem;

// One archive of conformance/eval, unpacked.
class Conformance : public testing::Test {
 protected:
  void unpack(const std::string& name) {
    const fs::path archive =
        fs::path(VILA_SOURCE_DIR) / "../shared/conformance/eval" / (name + ".tar.xz");
    if (!fs::exists(archive)) GTEST_SKIP() << archive << " is not there";
    for (const auto& [path, content] : test::unpack(archive)) {
      if (!content.empty()) folder_.write(fs::path(path).filename(), content);
    }
    data_.emplace(folder_.path());
  }

  Score score(const char* task, const std::string& answers, const ScoreOptions& options = {}) {
    return score_answers(find_task(task), *data_, read_answers(folder_ / answers), options);
  }

  std::string file(const std::string& name) const { return read_file(folder_ / name); }

  Json json(const std::string& name) const { return parse_json(file(name), name); }

  std::vector<std::string> strings(const std::string& name) const {
    std::vector<std::string> values;
    read_jsonl(folder_ / name,
               [&](JsonCursor& line, int64_t) { line.string(values.emplace_back()); });
    return values;
  }

  test::TemporaryFolder folder_;
  std::optional<DataFolder> data_;
};

TEST_F(Conformance, PopeIsThatOfLlava) {
  unpack("pope");
  if (!data_) return;
  const Score found = score("pope", "answers.jsonl");
  EXPECT_EQ(found.metric("random: F1").shown, "0.8714");
  EXPECT_EQ(found.metric("popular: F1").shown, "0.8625");
  EXPECT_EQ(found.metric("adversarial: F1").shown, "0.8446");
  EXPECT_EQ(fixed(found.metrics.front().value, 1), "85.9");
}

TEST_F(Conformance, ScienceQaIsThatOfLlava) {
  unpack("scienceqa");
  if (!data_) return;
  const Score found = score("scienceqa", "answers.jsonl");
  EXPECT_EQ(found.metrics.front().shown, "71.64");
  EXPECT_EQ(found.metric("accuracy").shown, "74.39");
  EXPECT_EQ(found.metric("IMG accuracy").count, 2017);
}

TEST_F(Conformance, MmbenchIsThatOfVlmevalkit) {
  unpack("mmbench");
  if (!data_) return;
  const Score found = score("mmbench", "answers.jsonl");
  EXPECT_EQ(found.metrics.front().shown, "0.676871");
  EXPECT_EQ(fixed(found.metric("vanilla").value, 4), "0.7543");
  EXPECT_EQ(found.metric("circular").count, 1176);
  EXPECT_EQ(score("mmbench", "upload.xlsx").metrics.front().shown, "0.676871");
}

TEST_F(Conformance, MmbenchUploadHasTheCellsOfTheStoredWorkbook) {
  unpack("mmbench");
  if (!data_) return;
  const Upload upload =
      find_task("mmbench").upload(*data_, read_answers(folder_ / "answers.jsonl"));
  folder_.write("ours.xlsx", upload.content);
  const Table ours = read_xlsx(folder_ / "ours.xlsx");
  const Table theirs = read_xlsx(folder_ / "upload.xlsx");
  EXPECT_EQ(ours.columns, theirs.columns);
  EXPECT_EQ(ours.rows, theirs.rows);
}

TEST_F(Conformance, LlavaBenchIsThatOfEachReview) {
  unpack("llava-bench-in-the-wild");
  if (!data_) return;
  for (const auto& [run, figure] :
       std::map<int, std::string>{{1, "72.8"}, {2, "72.7"}, {3, "72.1"}}) {
    const std::string name = "llava-v1.5-13b-eval" + std::to_string(run) + ".jsonl";
    EXPECT_EQ(score("llava-bench", name).metrics.front().shown, figure) << name;
  }
  EXPECT_EQ(score("llava-bench", "answers.jsonl").metrics.front().shown, "72.5");
}

TEST_F(Conformance, VizwizUploadIsThatOfLlavaByteForByte) {
  unpack("vizwiz");
  if (!data_) return;
  const Answers answers = read_answers(folder_ / "answers.jsonl");
  EXPECT_EQ(find_task("vizwiz").upload(*data_, answers).content, file("upload.json"));
}

TEST_F(Conformance, NormalisersAgreeOnFiveThousandStrings) {
  unpack("made-up");
  if (!data_) return;
  const auto inputs = strings("strings.jsonl");
  const auto official = strings("norm_official_expected.jsonl");
  const auto m4c = strings("norm_m4c_expected.jsonl");
  ASSERT_EQ(inputs.size(), 5000U);
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_EQ(normalise(inputs[i], Normaliser::vqa), official[i]) << inputs[i];
    EXPECT_EQ(normalise(inputs[i], Normaliser::m4c), m4c[i]) << inputs[i];
  }
}

void expect_vqa(const Score& found, const Json& expected) {
  const Json& accuracy = expected["accuracy"];
  EXPECT_NEAR(found.metrics.front().value, accuracy["overall"].get<double>(), 1e-9);
  for (const auto& [type, value] : accuracy["perAnswerType"].items())
    EXPECT_NEAR(found.metric("answer type: " + type).value, value.get<double>(), 1e-9);
  for (const auto& [type, value] : accuracy["perQuestionType"].items())
    EXPECT_NEAR(found.metric("question type: " + type).value, value.get<double>(), 1e-9);
  for (const ItemScore& item : found.items) {
    EXPECT_NEAR(python_round(100 * item.score, 2), expected["evalQA"][item.id].get<double>(), 1e-9)
        << item.id << " parsed " << item.parsed;
  }
}

TEST_F(Conformance, Vqav2IsThatOfBothVersionsOfTheOfficialScorer) {
  unpack("made-up");
  if (!data_) return;
  expect_vqa(score("vqav2", "vqa_res.json"), json("vqa_expected.json"));
  expect_vqa(score("vqav2", "vqa_res.json", {.protocol = "vqa-2016"}),
             json("vqa_expected_2016.json"));
}

TEST_F(Conformance, TextvqaIsThatOfM4c) {
  unpack("made-up");
  if (!data_) return;
  const Score found = score("textvqa", "pairs.jsonl");
  const std::string text = file("pairs_expected.txt");
  const auto lines = split(std::string_view(text), "\n");
  for (size_t i = 0; i < found.items.size(); ++i)
    EXPECT_NEAR(found.items[i].score, std::stod(std::string(lines[i])), 1e-9) << "pair " << i;
  EXPECT_NEAR(found.metrics.front().value, 75.45000000000003, 1e-9);
}

TEST_F(Conformance, VizwizIsThatOfItsScorer) {
  unpack("made-up");
  if (!data_) return;
  const Score found = score("vizwiz", "vizwiz_res.json");
  const Json expected = json("vizwiz_expected.json");
  EXPECT_NEAR(found.metrics.front().value, expected["accuracy"]["overall"].get<double>(), 1e-9);
  const Json& unanswerable = expected["unanswerability"];
  EXPECT_NEAR(found.metric("unanswerable: average precision").value,
              unanswerable["average_precision"].get<double>(), 1e-9);
  EXPECT_NEAR(found.metric("unanswerable: F1").value, unanswerable["f1_score"].get<double>(), 1e-9);
  for (const ItemScore& item : found.items)
    EXPECT_NEAR(python_round(100 * item.score, 2), expected["evalQA"][item.id].get<double>(), 1e-9);
}

// "  choose: 70.18% (57 questions)" of GQA's eval.py as name, figure and count.
struct GqaLine {
  std::string table;
  std::string name;
  std::string shown;
  int64_t count = 0;
};

std::vector<GqaLine> gqa_tables(const std::string& text) {
  std::vector<GqaLine> lines;
  std::string table;
  for (const std::string_view line : split(std::string_view(text), "\n")) {
    if (line.starts_with("Accuracy / ")) table = python_split(line.substr(11)).front();
    if (!line.starts_with("  ")) continue;
    const auto words = python_split(line);
    std::string name(words[0].substr(0, words[0].size() - 1));
    if (table == "steps" || table == "words") name = name.size() == 1 ? "0" + name : name;
    lines.push_back({table, name, std::string(words[1].substr(0, words[1].size() - 1)),
                     std::stoll(std::string(words[2].substr(1)))});
  }
  return lines;
}

TEST_F(Conformance, GqaIsThatOfItsScorer) {
  unpack("made-up");
  if (!data_) return;
  const Score found = score("gqa", "gqa_predictions.json");
  EXPECT_EQ(found.metrics.front().shown, "67.91");
  EXPECT_EQ(found.metric("kind: binary").shown, "68.08");
  EXPECT_EQ(found.metric("kind: open").shown, "67.27");
  EXPECT_EQ(found.metric("distribution").shown, "0.12");
  const auto lines = gqa_tables(file("gqa_expected.txt"));
  ASSERT_EQ(lines.size(), 28U);
  for (const GqaLine& line : lines) {
    const Metric& metric = found.metric(line.table + ": " + line.name);
    EXPECT_EQ(metric.shown, line.shown) << line.name;
    EXPECT_EQ(metric.count, line.count) << line.name;
  }
}

TEST_F(Conformance, ScienceQaPromptsAreThoseThatWereAsked) {
  unpack("scienceqa");
  if (!data_) return;
  const Answers answers = read_answers(folder_ / "answers.jsonl");
  std::map<std::string, std::string> asked;
  for (const Answer& answer : answers.rows)
    asked[answer.id] = answer.prompt;
  for (const Question& question : find_task("scienceqa").questions(*data_)) {
    EXPECT_EQ(question.stored_prompt.empty() ? question.prompt : question.stored_prompt,
              asked[question.id]);
  }
}

}  // namespace
}  // namespace vila::eval
