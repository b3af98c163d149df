// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"

namespace vila::test {
namespace {

class Batch : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    std::string lines;
    for (int i = 0; i < 20; ++i) {
      const Json line = {
          {"id", i}, {"prompt", "What is this?"}, {"images", {i % 2 == 1 ? "b.png" : "a.png"}}};
      lines += line.dump() + "\n";
    }
    write_file(file("requests.jsonl"), lines);
  }

  // Answers without what differs from run to run.
  std::vector<Json> answers(const std::string& out) const {
    std::vector<Json> rows = json_lines(read_file(file(out)));
    for (Json& row : rows) {
      for (const char* timing : {"timings_ms", "prefill_tok_s", "decode_tok_s"})
        row.erase(timing);
    }
    return rows;
  }

  ProcessResult batch(const std::string& out) const {
    return run({"--batch", file("requests.jsonl"), "--out", file(out)});
  }
};

TEST_F(Batch, AnswersEachLineAsASingleRunDoes) {
  const ProcessResult result = batch("out.jsonl");
  const Json single = json_of(run({"--json", "--image", file("b.png"), "What is this?"}));

  ASSERT_EQ(result.exit_code, 0) << result.error;
  const auto rows = answers("out.jsonl");
  ASSERT_EQ(rows.size(), 20U);
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_EQ(rows[i]["id"], i);
  EXPECT_EQ(rows[1]["token_ids"], single["token_ids"]);
  EXPECT_EQ(rows[1]["text"], single["text"]);
  EXPECT_EQ(rows[19]["token_ids"], single["token_ids"]);
}

TEST_F(Batch, GoesOnWhereAnEarlierRunWasCutOff) {
  batch("whole.jsonl");
  const std::string whole = read_file(file("whole.jsonl"));
  size_t cut = 0;
  for (int line = 0; line < 7; ++line)
    cut = whole.find('\n', cut) + 1;
  write_file(file("cut.jsonl"), whole.substr(0, cut + 9));

  EXPECT_EQ(batch("cut.jsonl").exit_code, 0);

  EXPECT_EQ(answers("cut.jsonl"), answers("whole.jsonl"));
  EXPECT_EQ(read_file(file("cut.jsonl")).substr(0, cut), whole.substr(0, cut));
}

TEST_F(Batch, GivesAnErrorLineForABadLineAndNeverStops) {
  write_file(file("requests.jsonl"),
             "{\"id\": \"good\", \"prompt\": \"A cat\"}\n"
             "this is no JSON\n"
             "{\"id\": \"lost\", \"prompt\": \"What?\", \"images\": [\"missing.png\"]}\n"
             "{\"id\": \"count\", \"prompt\": \"<image><image>\", \"images\": [\"a.png\"]}\n"
             "{\"id\": \"raw\", \"prompt\": \"<image>\", \"raw\": true}\n"
             "\n"
             "{\"messages\": [{\"role\": \"user\", \"content\": \"A dog\"}], \"max_tokens\": 2}\n");

  const ProcessResult result = batch("out.jsonl");

  ASSERT_EQ(result.exit_code, 0) << result.error;
  const auto rows = answers("out.jsonl");
  ASSERT_EQ(rows.size(), 6U);
  EXPECT_TRUE(rows[0].contains("text"));
  EXPECT_EQ(rows[1]["id"], 2);  // the line's number, where it names no id
  for (size_t bad = 1; bad <= 4; ++bad)
    EXPECT_TRUE(rows[bad].contains("error")) << rows[bad];
  EXPECT_EQ(rows[2]["id"], "lost");
  EXPECT_TRUE(rows[5].contains("text")) << rows[5];
  EXPECT_LE(rows[5]["token_ids"].size(), 2U);
}

TEST_F(Batch, WritesToStdoutWithoutAnOutputFile) {
  const ProcessResult result =
      run({"--batch", "-"}, "{\"id\": 1, \"prompt\": \"A\"}\n{\"id\": 2, \"prompt\": \"B\"}");

  EXPECT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(json_lines(result.out).size(), 2U);
}

TEST_F(Batch, RefusesAMissingFileAndAPromptBesideIt) {
  EXPECT_EQ(run({"--batch", file("missing.jsonl")}).exit_code, 4);
  EXPECT_EQ(run({"--batch", file("requests.jsonl"), "What?"}).exit_code, 2);
}

}  // namespace
}  // namespace vila::test
