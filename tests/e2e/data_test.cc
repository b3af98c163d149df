// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"

namespace vila::test {
namespace {

class Data : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    write_file(file("good.json"), conversations("a.png", "<image>\nWhat is this?"));
  }

  static std::string conversations(const std::string& picture, const std::string& question) {
    const Json row = {{"id", "1"},
                      {"image", picture},
                      {"conversations",
                       {{{"from", "human"}, {"value", question}},
                        {{"from", "gpt"}, {"value", "A red square."}}}}};
    return Json::array({row}).dump();
  }
};

TEST_F(Data, CheckPassesGoodDataAndNamesFileAndRowOfBadData) {
  write_file(file("bad.json"), conversations("missing.png", "<image><image> What?"));

  const ProcessResult good = vila({"data", "check", file("good.json"), "-m", model().string()});
  const ProcessResult bad = vila({"data", "check", file("bad.json"), "-m", model().string()});

  EXPECT_EQ(good.exit_code, 0) << good.out << good.error;
  EXPECT_EQ(bad.exit_code, 4) << bad.error;
  EXPECT_NE(bad.out.find("bad.json"), std::string::npos) << bad.out;
  EXPECT_NE(bad.out.find("missing-image"), std::string::npos) << bad.out;
  EXPECT_NE(bad.out.find("placeholders"), std::string::npos) << bad.out;
}

TEST_F(Data, CheckFindsWhatLeaksFromValidation) {
  const ProcessResult result = vila({"data", "check", file("good.json"), "--validation",
                                     file("good.json"), "-m", model().string(), "--json"});

  EXPECT_EQ(result.exit_code, 4) << result.error;
  const Json report = parse_json(result.out, "report");
  EXPECT_GT(report["errors"].get<int64_t>(), 0);
  EXPECT_TRUE(report["findings"][0]["rule"].get<std::string>().starts_with("leaked"));
}

TEST_F(Data, StatsCountRowsPicturesAndTokens) {
  const Json report =
      json_of(vila({"data", "stats", file("good.json"), "-m", model().string(), "--json"}));

  ASSERT_EQ(report.size(), 1U);
  EXPECT_EQ(report[0]["rows"], 1);
  EXPECT_EQ(report[0]["rows_with_pictures"], 1);
  EXPECT_EQ(report[0]["kind"], "conversations");
}

TEST_F(Data, PreviewWritesOnePage) {
  const ProcessResult result = vila({"data", "preview", file("good.json"), "-m", model().string(),
                                     "--out", file("preview.html")});

  EXPECT_EQ(result.exit_code, 0) << result.error;
  const std::string page = read_file(file("preview.html"));
  EXPECT_NE(page.find("<html"), std::string::npos);
  EXPECT_NE(page.find("data:image/png"), std::string::npos);
}

TEST_F(Data, BuildNamesWhatIsMissing) {
  const ProcessResult result = vila({"data", "build", "nano", "--out", file("nano"), "--emoji",
                                     file("no-emoji"), "--only", "emoji"});

  EXPECT_EQ(result.exit_code, 4) << result.error;
  EXPECT_NE(result.error.find("emoji"), std::string::npos) << result.error;
}

TEST_F(Data, RefusesAFileThatIsNotThereOrOfNoKind) {
  write_file(file("odd.jsonl"), "{\"question\": 1}\n");

  EXPECT_EQ(vila({"data", "stats", file("missing.json")}).exit_code, 4);
  EXPECT_EQ(vila({"data", "stats", file("odd.jsonl")}).exit_code, 4);
  EXPECT_EQ(vila({"data", "stats", file("odd.jsonl"), "--kind", "dreams"}).exit_code, 2);
  EXPECT_EQ(vila({"data"}).exit_code, 2);
}

}  // namespace
}  // namespace vila::test
