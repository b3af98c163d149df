// SPDX-License-Identifier: Apache-2.0
#include "data/linter.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "media/decode.h"
#include "media/image.h"
#include "support/temporary_folder.h"
#include "support/tiny_tokenizer.h"

namespace vila::data {
namespace {

using test::TemporaryFolder;

std::string png(uint8_t shade) {
  return media::encode_png(media::Image(4, 4, {shade, shade, shade}));
}

CheckSet set_of(const std::filesystem::path& path, Kind kind, Split split = Split::train) {
  return {open_dataset(path, kind), split};
}

/// "name.jsonl:row rule" of every finding.
std::vector<std::string> found_by(const CheckReport& report) {
  std::vector<std::string> found;
  for (const Finding& finding : report.findings) {
    found.push_back(fmt::format("{}:{} {}", finding.place.file.filename().string(),
                                finding.place.row, rule_name(finding.rule)));
  }
  return found;
}

std::vector<std::string> found_in(const std::vector<CheckSet>& sets,
                                  const CheckOptions& options = {}) {
  return found_by(check_data(sets, options));
}

using Found = std::vector<std::string>;

TEST(Linter, FindsNothingInAGoodSetAndCountsIt) {
  const TemporaryFolder folder;
  folder.write("a.png", png(1));
  folder.write("b.png", png(2));
  const auto file = folder.write("set.jsonl",
                                 "{\"image\": \"a.png\", \"text\": \"a\"}\n"
                                 "{\"image\": \"b.png\", \"text\": \"b\"}\n"
                                 "{\"image\": \"a.png\", \"text\": \"c\"}\n");
  const std::vector<CheckSet> sets = {set_of(file, Kind::pairs)};
  const CheckReport report = check_data(sets, {});
  EXPECT_EQ(found_by(report), Found{});
  EXPECT_EQ(report.rows, 3);
  EXPECT_EQ(report.pictures, 2);
}

TEST(Linter, FindsRowsThatDoNotReadAndGoesOn) {
  const TemporaryFolder folder;
  const auto file = folder.write(
      "set.jsonl",
      "{\"text\": \"one\"}\n{\"text\": }\n{\"text\": \"\xC3\"}\n{\"txt\": \"four\"}\n");
  EXPECT_EQ(found_in({set_of(file, Kind::text)}),
            (Found{"set.jsonl:1 bad-row", "set.jsonl:2 bad-utf8", "set.jsonl:3 bad-row"}));
}

TEST(Linter, FindsMissingAndBrokenPictures) {
  const TemporaryFolder folder;
  folder.write("cut.png", png(1).substr(0, 40));
  folder.write("empty.png", "");
  const auto file = folder.write("set.jsonl",
                                 "{\"image\": \"none.png\", \"text\": \"a\"}\n"
                                 "{\"image\": \"cut.png\", \"text\": \"b\"}\n"
                                 "{\"image\": \"empty.png\", \"text\": \"c\"}\n"
                                 "{\"image\": \"cut.png\", \"text\": \"d\"}\n");
  const CheckSet set = set_of(file, Kind::pairs);
  EXPECT_EQ(found_in({set}), (Found{"set.jsonl:0 missing-image", "set.jsonl:1 broken-image",
                                    "set.jsonl:2 broken-image", "set.jsonl:3 broken-image"}));
  EXPECT_EQ(found_in({set}, {.pictures = PictureCheck::stat}), Found{"set.jsonl:0 missing-image"});
}

TEST(Linter, FindsDuplicateRowsAndPicturesOfOneSplit) {
  const TemporaryFolder folder;
  folder.write("a.png", png(1));
  folder.write("same.png", png(1));
  folder.write("b.png", png(2));
  const auto file = folder.write("set.jsonl",
                                 "{\"image\": \"a.png\", \"text\": \"x\"}\n"
                                 "{\"image\": \"b.png\", \"text\": \"x\"}\n"
                                 "{\"image\": \"same.png\", \"text\": \"x\"}\n"
                                 "{\"image\": \"same.png\", \"text\": \"y\"}\n");
  const std::vector<CheckSet> sets = {set_of(file, Kind::pairs)};
  const CheckReport report = check_data(sets, {});
  EXPECT_EQ(found_by(report),
            (Found{"set.jsonl:2 duplicate-row", "set.jsonl:2 duplicate-picture"}));
  EXPECT_NE(report.findings[0].found.find("set.jsonl:1 (row 0)"), std::string::npos);
  EXPECT_EQ(report.errors(), 0);
}

TEST(Linter, FindsWhatValidationSharesWithTraining) {
  const TemporaryFolder folder;
  folder.write("a.png", png(1));
  folder.write("copy.png", png(1));
  folder.write("b.png", png(2));
  const std::string turns =
      R"("conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}])";
  const auto train =
      folder.write("train.json", "[{\"image\": \"a.png\", " + turns + "}, {" + turns + "}]");
  const auto validation =
      folder.write("valid.json", "[{\"image\": \"b.png\", " + turns + "}, {" + turns +
                                     "}, {\"image\": \"copy.png\", " + turns + "}]");
  const std::vector<CheckSet> sets = {set_of(train, Kind::conversations),
                                      set_of(validation, Kind::conversations, Split::validation)};
  const CheckReport report = check_data(sets, {});
  EXPECT_EQ(found_by(report), (Found{"valid.json:1 leaked-row", "valid.json:2 leaked-picture",
                                     "valid.json:2 leaked-row"}));
  EXPECT_NE(report.findings[0].found.find("train.json:1 (row 1)"), std::string::npos);
  EXPECT_EQ(report.errors(), 3);
}

TEST(Linter, FindsHeldOutConceptsInTrainingOnly) {
  const TemporaryFolder folder;
  folder.write("a.png", png(1));
  folder.write("b.png", png(2));
  const auto held = folder.write("held.txt", "Red Apple\n");
  const std::string rows =
      "{\"image\": \"a.png\", \"text\": \"food\", \"concept\": \"red apple\"}\n"
      "{\"image\": \"b.png\", \"text\": \"Not a red apple.\"}\n";
  const auto train = folder.write("train.jsonl", rows);
  EXPECT_EQ(found_in({set_of(train, Kind::pairs)}, {.held_out = {held}}),
            (Found{"train.jsonl:0 leaked-concept", "train.jsonl:1 held-out-mention"}));
  EXPECT_EQ(found_in({set_of(train, Kind::pairs, Split::validation)}, {.held_out = {held}}),
            Found{});
}

TEST(Linter, FindsRowsLongerThanTheModelTakes) {
  const TemporaryFolder folder;
  test::write_tiny_tokenizer(folder.path());
  folder.write("a.png", png(1));
  const auto tokenizer = text::load_tokenizer(folder.path());
  const auto file =
      folder.write("set.jsonl",
                   "{\"image\": \"a.png\", \"text\": \"The cat\"}\n"
                   "{\"image\": \"a.png\", \"text\": \"The cat sits on the mat.\"}\n");
  CheckOptions options;
  options.labels.tokenizer = tokenizer.get();
  options.labels.tokens_per_image = 64;
  const CheckSet set = set_of(file, Kind::pairs);
  const auto length = [&](int64_t row) {
    return spliced_length(label_sample(set.dataset->at(row), options.labels), 64);
  };
  ASSERT_GT(length(1), length(0));
  ASSERT_GT(length(0), 64);
  options.max_length = length(1) - 1;
  EXPECT_EQ(found_in({set}, options), Found{"set.jsonl:1 too-long"});
  options.max_length = length(1);
  EXPECT_EQ(found_in({set}, options), Found{});
}

TEST(Linter, FindsTheSameWithAnyNumberOfThreads) {
  const TemporaryFolder folder;
  std::string rows;
  for (int row = 0; row < 300; ++row) {
    rows += row % 7 == 0 ? "{\n" : fmt::format("{{\"text\": \"{}\"}}\n", row % 50);
  }
  const auto file = folder.write("set.jsonl", rows);
  const std::vector<CheckSet> sets = {set_of(file, Kind::text)};
  const std::string alone = report_json(check_data(sets, {.threads = 1}));
  EXPECT_EQ(report_json(check_data(sets, {.threads = 4})), alone);
  EXPECT_NE(alone.find("duplicate-row"), std::string::npos);
}

}  // namespace
}  // namespace vila::data
