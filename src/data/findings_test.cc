// SPDX-License-Identifier: Apache-2.0
#include "data/findings.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vila::data {
namespace {

Finding finding(const char* file, int64_t row, Rule rule, std::string found = "x") {
  return {{file, row, row + 1}, rule, std::move(found)};
}

TEST(Findings, AreSortedByFileRowRuleAndText) {
  std::vector<Finding> findings = {finding("b", 0, Rule::bad_row), finding("a", 10, Rule::bad_row),
                                   finding("a", 2, Rule::too_long),
                                   finding("a", 2, Rule::placeholders, "y"),
                                   finding("a", 2, Rule::placeholders, "x")};
  sort_findings(findings);
  EXPECT_EQ(findings[0].found, "x");
  EXPECT_EQ(findings[1].found, "y");
  EXPECT_EQ(findings[2].rule, Rule::too_long);
  EXPECT_EQ(findings[3].place.row, 10);
  EXPECT_EQ(findings[4].place.file, "b");
}

TEST(Findings, NameFileRowRuleAndWhatWasFound) {
  EXPECT_EQ(finding("a.jsonl", 2, Rule::missing_image, "cat.png: no such file").text(),
            "a.jsonl:3 (row 2): error: missing-image: cat.png: no such file");
}

TEST(Findings, ComeAsJsonThatParses) {
  CheckReport report;
  report.rows = 5;
  report.findings = {finding("a\"b", 0, Rule::too_long, "1\n2"),
                     finding("c", 1, Rule::bad_utf8, "\xFF")};
  const auto json = nlohmann::json::parse(report_json(report));
  EXPECT_EQ(json["rows"], 5);
  EXPECT_EQ(json["errors"], 1);
  EXPECT_EQ(json["warnings"], 1);
  ASSERT_EQ(json["findings"].size(), 2u);
  EXPECT_EQ(json["findings"][0]["file"], "a\"b");
  EXPECT_EQ(json["findings"][0]["line"], 1);
  EXPECT_EQ(json["findings"][0]["rule"], "too-long");
  EXPECT_EQ(json["findings"][0]["severity"], "warning");
  EXPECT_EQ(json["findings"][1]["found"], "\xEF\xBF\xBD");
  EXPECT_TRUE(nlohmann::json::parse(report_json(CheckReport{}))["findings"].empty());
}

TEST(Findings, ComeAsTextThatIsCutPerRuleAndFile) {
  CheckReport report;
  report.rows = 9;
  for (int64_t row = 0; row < 5; ++row) {
    report.findings.push_back(finding("a", row, Rule::empty_text));
  }
  report.findings.push_back(finding("a", 5, Rule::too_long));
  const std::string cut = report_text(report, 2);
  EXPECT_NE(cut.find("a: 3 more of empty-text\n"), std::string::npos) << cut;
  EXPECT_EQ(cut.find("(row 2)"), std::string::npos) << cut;
  EXPECT_NE(cut.find("too-long"), std::string::npos) << cut;
  EXPECT_NE(cut.find("9 rows, 0 pictures: 5 errors, 1 warnings\n"), std::string::npos) << cut;
  EXPECT_NE(report_text(report, 0).find("(row 4)"), std::string::npos);
}

}  // namespace
}  // namespace vila::data
