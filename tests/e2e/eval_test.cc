// SPDX-License-Identifier: Apache-2.0
// The benchmarks from published files to a score, with the model that ships, as a person runs them;
// what a kill at any moment leaves; and what each kind of bad input is told.
#include <array>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/random.h"
#include "e2e/fixture.h"
#include "media/decode.h"
#include "support/benchmark_data.h"

namespace vila::test {
namespace {

namespace fs = std::filesystem;

constexpr std::array kPaper = {"vqav2",      "gqa",        "vizwiz",      "scienceqa",
                               "textvqa",    "pope",       "mme",         "mmbench",
                               "mmbench-cn", "seed-bench", "llava-bench", "mm-vet"};

ProcessResult vila(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), VILA_BINARY);
  return run_process(arguments);
}

std::string nano() {
  return VILA_SOURCE_DIR "/models/nano";
}

std::string picture() {
  return media::encode_png(media::Image(24, 20, {200, 30, 40}));
}

// What a result holds besides the run it came from.
Json figures(Json result) {
  Json kept;
  for (const char* member : {"score", "metrics", "shown", "counts", "intervals", "outcomes"})
    kept[member] = result[member];
  return kept;
}

// All twelve by one command, once for the suite: loading the model costs more than a question.
class Paper : public testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    std::vector<std::string> command = {"eval"};
    for (const char* task : kPaper) {
      write_benchmark(data(task), task, picture());
      command.push_back(task);
    }
    for (const std::string& option :
         {std::string("-m"), nano(), std::string("--data"), (folder_->path() / "data").string(),
          std::string("--out"), (folder_->path() / "out").string(), std::string("--json")})
      command.push_back(option);
    run_ = new ProcessResult(vila(command));
  }

  static void TearDownTestSuite() {
    delete run_;
    delete folder_;
  }

  static fs::path data(const std::string& task) { return folder_->path() / "data" / task; }

  static fs::path out(const std::string& task) { return folder_->path() / "out" / task; }

  static TemporaryFolder* folder_;
  static ProcessResult* run_;
};

TemporaryFolder* Paper::folder_ = nullptr;
ProcessResult* Paper::run_ = nullptr;

TEST_P(Paper, ScoringTheAnswersOfARunGivesItsScore) {
  const std::string task = GetParam();
  ASSERT_EQ(run_->exit_code, 0) << run_->error;
  const Json result = read_json_file(out(task) / "score.json", ErrorCode::invalid_data);

  const Json again = json_of(vila({"score", task, "--data", data(task).string(), "--answers",
                                   (out(task) / "answers.jsonl").string(), "--json"}));

  EXPECT_EQ(figures(again), figures(result));
  EXPECT_FALSE(result["score"].is_null()) << result.dump(2);
  EXPECT_EQ(json_lines(read_file(out(task) / "answers.jsonl")).size(), result["questions"]);
}

// The file for the server among those of a result, "" for none.
std::string server_file(const fs::path& folder) {
  const std::set<std::string> others = {"answers.jsonl", "items.jsonl", "protocol.json",
                                        "report.html",   "score.json",  "timing.json"};
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!others.contains(entry.path().filename().string())) return entry.path().string();
  }
  return "";
}

TEST_P(Paper, TheServersFileOfARunIsThatOfItsAnswers) {
  const std::string task = GetParam();
  ASSERT_EQ(run_->exit_code, 0) << run_->error;
  const std::string written = server_file(out(task));
  const std::string upload = (folder_->path() / (task + ".upload")).string();

  const ProcessResult scored = vila({"score", task, "--data", data(task).string(), "--answers",
                                     (out(task) / "answers.jsonl").string(), "--upload", upload});

  EXPECT_EQ(scored.exit_code, written.empty() ? 2 : 0) << scored.error;
  if (written.empty()) return;
  const bool has_times = written.ends_with(".xlsx");  // a zip file says when it was made
  EXPECT_EQ(fs::file_size(upload), fs::file_size(written));
  if (!has_times) {
    EXPECT_EQ(read_file(upload), read_file(written));
  }
}

INSTANTIATE_TEST_SUITE_P(Twelve, Paper, testing::ValuesIn(kPaper), [](const auto& task) {
  std::string name = task.param;
  std::erase(name, '-');
  return name;
});

TEST_F(Paper, TheCardHoldsAllTwelveAndTheirMean) {
  ASSERT_EQ(run_->exit_code, 0) << run_->error;
  const Json card = read_json_file(folder_->path() / "out/card.json", ErrorCode::invalid_data);
  EXPECT_EQ(card["results"].size(), kPaper.size());
  double sum = 0;
  for (const auto& [title, entry] : card["results"].items())
    sum += title == "MME" ? 0 : entry["value"].get<double>();
  EXPECT_NEAR(card["average w/o MME"].get<double>(), sum / 11, 1e-9);
  const std::string table = read_file(folder_->path() / "out/card.md");
  EXPECT_NE(table.find("| MMB-CN |"), std::string::npos) << table;
}

// Answers of another run, killed again and again until it gets to the end.
TEST(EvalCrash, TwentyKillsAtRandomMomentsChangeNothing) {
  const TemporaryFolder folder;
  write_benchmark(folder.path() / "data", "pope", picture());
  const auto command = [&](const std::string& out) {
    return std::vector<std::string>{"eval",    "pope",
                                    "-m",      nano(),
                                    "--data",  (folder.path() / "data").string(),
                                    "--out",   (folder.path() / out).string(),
                                    "--batch", "2",
                                    "--resume"};
  };
  ASSERT_EQ(vila(command("whole")).exit_code, 0);

  Random random(20);
  int killed = 0;
  for (int attempt = 0; attempt < 200 && killed < 20; ++attempt) {
    std::vector<std::string> cut = command("cut");
    cut.insert(cut.begin(), VILA_BINARY);
    if (run_and_kill(cut, 20'000 + random.below(500'000))) {
      ++killed;
    } else {
      fs::remove_all(folder.path() / "cut");  // it got through: begin again
    }
  }
  EXPECT_EQ(killed, 20);
  ASSERT_EQ(vila(command("cut")).exit_code, 0);

  for (const char* name : {"answers.jsonl", "items.jsonl", "score.json", "protocol.json"})
    EXPECT_EQ(read_file(folder.path() / "cut/pope" / name),
              read_file(folder.path() / "whole/pope" / name))
        << name;
}

// POPE's questions answered by hand, then spoilt in one way each.
class SpoiltAnswers : public testing::Test {
 protected:
  void SetUp() override {
    write_benchmark(folder_.path() / "data", "pope", picture());
    for (const Json& row : json_lines(read_file(questions()))) {
      lines_.push_back(Json{
          {"question_id", row["question_id"]},
          {"prompt", row["text"]},
          {"text", "Yes"}}.dump());
    }
  }

  fs::path questions() const { return folder_.path() / "data/llava_pope_test.jsonl"; }

  ProcessResult score(const std::string& answers) const {
    write_file(folder_.path() / "answers.jsonl", answers);
    return vila({"score", "pope", "--data", (folder_.path() / "data").string(), "--answers",
                 (folder_.path() / "answers.jsonl").string(), "--json"});
  }

  std::string joined(const std::string& end = "\n") const {
    std::string text;
    for (const std::string& line : lines_)
      text += line + end;
    return text;
  }

  void expect_refused(const ProcessResult& result, const std::string& place) const {
    EXPECT_EQ(result.exit_code, 4) << result.out << result.error;
    EXPECT_NE(result.error.find(place), std::string::npos) << result.error;
  }

  TemporaryFolder folder_;
  std::vector<std::string> lines_;
};

TEST_F(SpoiltAnswers, ByteOrderMarkAndCarriageReturnsChangeNothing) {
  const Json plain = figures(json_of(score(joined())));
  EXPECT_EQ(figures(json_of(score("\xEF\xBB\xBF" + joined("\r\n")))), plain);
}

TEST_F(SpoiltAnswers, ARepeatedRowCountsOnceAndIsNoted) {
  const Json plain = figures(json_of(score(joined())));
  const Json repeated = json_of(score(joined() + lines_[3] + "\n"));
  EXPECT_EQ(figures(repeated), plain);
  EXPECT_NE(repeated["notes"].dump().find("repeat"), std::string::npos);
}

TEST_F(SpoiltAnswers, TwoAnswersToOneQuestionAreRefusedByBothRows) {
  Json other = parse_json(lines_[3], "line");
  other["text"] = "No";
  expect_refused(score(joined() + other.dump() + "\n"), "rows 4 and 13");
}

TEST_F(SpoiltAnswers, AMissingAnswerIsRefusedByTheRowOfItsQuestion) {
  lines_.erase(lines_.begin() + 4);
  expect_refused(score(joined()), "llava_pope_test.jsonl:5");
}

TEST_F(SpoiltAnswers, AnotherSplitIsRefused) {
  std::string text = joined();
  for (int i = 0; i < 20; ++i)
    text += Json{{"question_id", 5000 + i}, {"text", "Yes"}}.dump() + "\n";
  expect_refused(score(text), "another split");
}

TEST_F(SpoiltAnswers, ATruncatedLastLineIsRefusedByItsNumber) {
  std::string text = joined();
  text.resize(text.size() - 9);
  expect_refused(score(text), "answers.jsonl:12");
}

TEST_F(SpoiltAnswers, BytesThatAreNoUtf8AreRefusedByTheirLine) {
  std::string text = joined();
  text.replace(text.rfind("Yes"), 3, "Y\xFFs");
  expect_refused(score(text), "answers.jsonl:12");
}

TEST_F(SpoiltAnswers, AnAnswerOfAMegabyteIsScoredAsAnyOther) {
  const Json plain = figures(json_of(score(joined())));
  Json row = parse_json(lines_[0], "line");
  row["text"] = "Yes" + std::string(1 << 20, 'x');
  lines_[0] = row.dump();
  EXPECT_EQ(figures(json_of(score(joined()))), plain);
}

TEST_F(SpoiltAnswers, AMissingPictureIsNamedBeforeTheModelIsAsked) {
  fs::remove(folder_.path() / "data/val2014/COCO_val2014_1.jpg");
  const ProcessResult result =
      vila({"eval", "pope", "-m", nano(), "--data", (folder_.path() / "data").string(), "--out",
            (folder_.path() / "out").string()});
  expect_refused(result, "llava_pope_test.jsonl:1");
  EXPECT_NE(result.error.find("COCO_val2014_1.jpg"), std::string::npos) << result.error;
  EXPECT_FALSE(fs::exists(folder_.path() / "out/pope/answers.jsonl"));
}

TEST_F(SpoiltAnswers, APictureThatIsNoneIsNamedWithItsRow) {
  write_file(folder_.path() / "data/val2014/COCO_val2014_1.jpg", "no picture");
  expect_refused(vila({"eval", "pope", "-m", nano(), "--data", (folder_.path() / "data").string(),
                       "--out", (folder_.path() / "out").string()}),
                 "llava_pope_test.jsonl:1");
}

}  // namespace
}  // namespace vila::test
