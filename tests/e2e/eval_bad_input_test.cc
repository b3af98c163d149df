// SPDX-License-Identifier: Apache-2.0
// Every benchmark of the paper with answers that are spoilt in each way that files get spoilt: they
// are refused by file and row, or scored as the official scorer does with a note; nothing is left
// out without a word.
#include <array>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"
#include "media/decode.h"
#include "support/benchmark_data.h"

namespace vila::test {
namespace {

namespace fs = std::filesystem;

ProcessResult vila(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), VILA_BINARY);
  return run_process(arguments);
}

// Those whose answers are scored without a judge.
class Spoilt : public testing::TestWithParam<const char*> {
 protected:
  // The benchmark with answers of the shipped model, asked once for all tests.
  static void SetUpTestSuite() { folder_ = new TemporaryFolder; }

  static void TearDownTestSuite() { delete folder_; }

  void SetUp() override {
    task_ = GetParam();
    const fs::path answers = folder_->path() / "out" / task_ / "answers.jsonl";
    if (!fs::exists(answers)) {
      write_benchmark(data(), task_, media::encode_png(media::Image(24, 20, {200, 30, 40})));
      const ProcessResult run =
          vila({"eval", task_, "-m", VILA_SOURCE_DIR "/models/nano", "--data", data().string(),
                "--out", (folder_->path() / "out").string()});
      ASSERT_EQ(run.exit_code, 0) << run.error;
    }
    whole_ = read_file(answers);
    for (size_t begin = 0; begin < whole_.size();) {
      const size_t end = whole_.find('\n', begin) + 1;
      lines_.push_back(whole_.substr(begin, end - begin));
      begin = end;
    }
    ASSERT_GT(lines_.size(), 2U);
  }

  fs::path data() const { return folder_->path() / "data" / task_; }

  ProcessResult score(const std::string& answers) const {
    const fs::path path = folder_->path() / (task_ + ".jsonl");
    write_file(path, answers);
    return vila({"score", task_, "--data", data().string(), "--answers", path.string(), "--json"});
  }

  static Json figures(const ProcessResult& result) { return json_of(result)["metrics"]; }

  // Refused, naming the file of answers or of the data, and the row where it is one row.
  void expect_refused(const ProcessResult& result, const std::string& place) const {
    EXPECT_EQ(result.exit_code, 4) << result.out << result.error;
    EXPECT_NE(result.error.find(place), std::string::npos) << result.error;
  }

  std::string joined() const {
    std::string text;
    for (const std::string& line : lines_)
      text += line;
    return text;
  }

  std::string task_;
  std::string whole_;
  std::vector<std::string> lines_;

 private:
  static TemporaryFolder* folder_;
};

TemporaryFolder* Spoilt::folder_ = nullptr;

TEST_P(Spoilt, ByteOrderMarkAndCarriageReturnsChangeNothing) {
  std::string text = "\xEF\xBB\xBF";
  for (const std::string& line : lines_)
    text += line.substr(0, line.size() - 1) + "\r\n";
  EXPECT_EQ(figures(score(text)), figures(score(whole_)));
}

TEST_P(Spoilt, ARepeatedAnswerCountsOnceWithANote) {
  const ProcessResult result = score(whole_ + lines_[1]);
  EXPECT_EQ(figures(result), figures(score(whole_)));
  EXPECT_NE(json_of(result)["notes"].dump().find("repeat"), std::string::npos);
}

TEST_P(Spoilt, TwoAnswersToAQuestionAreRefusedByTheirRows) {
  Json other = parse_json(lines_[1], "line");
  other["text"] = "something else";
  expect_refused(score(whole_ + other.dump() + "\n"),
                 "rows 2 and " + std::to_string(lines_.size() + 1));
}

// ScienceQA and SEED-Bench count what is missing as wrong, as their scorers do; the others refuse.
TEST_P(Spoilt, AMissingAnswerIsRefusedOrWrongWithANote) {
  lines_.erase(lines_.begin() + 1);
  const ProcessResult result = score(joined());
  if (task_ == "scienceqa" || task_ == "seed-bench") {
    EXPECT_NE(json_of(result)["notes"].dump().find("1 questions have no answer"),
              std::string::npos);
  } else {
    expect_refused(result, "expected an answer to");
  }
}

TEST_P(Spoilt, AnswersToOtherQuestionsAreNotedOrRefusedAsAnotherSplit) {
  Json other = parse_json(lines_[1], "line");
  const bool is_number = other["question_id"].is_number();
  const auto foreign = [&](int i) {
    other["question_id"] = is_number ? Json(900'000 + i) : Json("strange" + std::to_string(i));
    other["prompt"] = "Not asked " + std::to_string(i);
    return other.dump() + "\n";
  };
  const ProcessResult one = score(whole_ + foreign(0));
  EXPECT_EQ(figures(one), figures(score(whole_)));
  EXPECT_NE(json_of(one)["notes"].dump().find("row " + std::to_string(lines_.size() + 1)),
            std::string::npos);
  std::string many = whole_;
  for (size_t i = 0; i < 2 * lines_.size(); ++i)
    many += foreign(static_cast<int>(i));
  expect_refused(score(many), "another split");
}

TEST_P(Spoilt, ATruncatedFileIsRefusedByItsLastLine) {
  expect_refused(score(whole_.substr(0, whole_.size() - 7)),
                 task_ + ".jsonl:" + std::to_string(lines_.size()));
}

TEST_P(Spoilt, BytesThatAreNoUtf8AreRefusedByTheirLine) {
  lines_[1].insert(lines_[1].find("\"text\":\"") + 8, "\xFF\xFE");
  expect_refused(score(joined()), task_ + ".jsonl:2");
}

TEST_P(Spoilt, AnAnswerOfAMegabyteIsScored) {
  Json row = parse_json(lines_[0], "line");
  row["text"] = std::string(1 << 20, 'x');
  lines_[0] = row.dump() + "\n";
  const ProcessResult result = score(joined());
  EXPECT_EQ(result.exit_code, 0) << result.error;
}

TEST_P(Spoilt, AnEmptyFileAndOneOfAnotherKindAreRefusedByName) {
  expect_refused(score(""), task_ + ".jsonl");
  expect_refused(score("PK\x03\x04 not JSON\n"), task_ + ".jsonl");
}

INSTANTIATE_TEST_SUITE_P(Ten, Spoilt,
                         testing::Values("vqav2", "gqa", "vizwiz", "scienceqa", "textvqa", "pope",
                                         "mme", "mmbench", "mmbench-cn", "seed-bench"),
                         [](const auto& task) {
                           std::string name = task.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace vila::test
