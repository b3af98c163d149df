// SPDX-License-Identifier: Apache-2.0
#include "data/row_parser.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::data {
namespace {

using test::expect_error;
using test::TemporaryFolder;

const std::string kWhere = "set.jsonl:3 (row 2)";
const std::filesystem::path kRoot = "shots";

template <typename Parser>
Sample parsed(Parser parse, const char* json) {
  return parse(Json::parse(json), RowContext{kWhere, kRoot});
}

template <typename Parser>
void expect_refused(Parser parse, const char* json, const std::string& part) {
  expect_error(ErrorCode::invalid_data, part, [&] { parsed(parse, json); });
  expect_error(ErrorCode::invalid_data, kWhere, [&] { parsed(parse, json); });
}

TEST(Pairs, ReadsPictureCaptionAndConcept) {
  const Sample sample =
      parsed(parse_pair, R"({"id": 7, "image": "a/cat.png", "text": "a cat", "concept": "cat"})");
  EXPECT_EQ(sample.kind, Kind::pairs);
  EXPECT_EQ(sample.id, "7");
  EXPECT_EQ(sample.text, "a cat");
  EXPECT_EQ(sample.label, "cat");
  ASSERT_EQ(sample.images.size(), 1u);
  EXPECT_EQ(sample.images[0].name(), "shots/a/cat.png");
  EXPECT_EQ(count_placeholders(sample), 1);
}

TEST(Pairs, TakesCocosCaptionAndDefusesAPlaceholderInIt) {
  const Sample sample =
      parsed(parse_pair, R"({"image": "a.png", "caption": "x <image><image> y"})");
  EXPECT_EQ(sample.text, "x <IMAGE><IMAGE> y");
}

TEST(Pairs, NamesTheRowAndTheMemberThatIsWrong) {
  expect_refused(parse_pair, R"({"text": "a"})", "\"image\": expected the name of a picture");
  expect_refused(parse_pair, R"({"image": "", "text": "a"})", "\"image\"");
  expect_refused(parse_pair, R"({"image": "a.png"})", "expected a member \"text\"");
  expect_refused(parse_pair, R"({"image": "a.png", "text": 3})", "expected a string, found 3");
  expect_refused(parse_pair, R"([1, 2])", "expected a JSON object, found [1,2]");
}

// Expected strings: LazyMMC4Dataset's lines (F24) run in Python on the same rows.
TEST(Documents, PutsEachPictureDirectlyInFrontOfItsSentence) {
  const Sample sample = parsed(parse_document, R"({
    "url": "u", "text_list": ["One.", "Two.", "Three."],
    "image_info": [{"image_name": "b.png", "matched_text_index": 2},
                   {"image_name": "a.png", "matched_text_index": 0}]})");
  EXPECT_EQ(sample.text, "<image>One. Two.<image>Three.");
  EXPECT_EQ(sample.id, "u");
  ASSERT_EQ(sample.images.size(), 2u);
  EXPECT_EQ(sample.images[0].name(), "shots/a.png");
  EXPECT_EQ(sample.images[1].name(), "shots/b.png");
}

TEST(Documents, KeepsTheFilesOrderOfPicturesOfOneSentence) {
  const Sample sample = parsed(parse_document, R"({
    "text_list": ["One.", "Two."],
    "image_info": [{"image_name": "1.png", "matched_text_index": 1},
                   {"image_name": "2.png", "matched_text_index": 1},
                   {"image_name": "3.png", "matched_text_index": 0},
                   {"image_name": "4.png", "matched_text_index": 1}]})");
  EXPECT_EQ(sample.text, "<image>One.<image><image><image>Two.");
  ASSERT_EQ(sample.images.size(), 4u);
  EXPECT_EQ(sample.images[0].path.filename(), "3.png");
  EXPECT_EQ(sample.images[1].path.filename(), "1.png");
  EXPECT_EQ(sample.images[2].path.filename(), "2.png");
  EXPECT_EQ(sample.images[3].path.filename(), "4.png");
}

TEST(Documents, TakesTheFirstSixPicturesOfTheFileBeforeItSorts) {
  const Sample sample = parsed(parse_document, R"({
    "text_list": ["One.", "Two."],
    "image_info": [{"image_name": "1.png", "matched_text_index": 1},
                   {"image_name": "2.png", "matched_text_index": 1},
                   {"image_name": "3.png", "matched_text_index": 1},
                   {"image_name": "4.png", "matched_text_index": 1},
                   {"image_name": "5.png", "matched_text_index": 1},
                   {"image_name": "6.png", "matched_text_index": 1},
                   {"image_name": "7.png", "matched_text_index": 0}]})");
  ASSERT_EQ(sample.images.size(), 6u);
  EXPECT_EQ(sample.images.front().path.filename(), "1.png");
  EXPECT_EQ(sample.text.find("<image>"), 4u) << "the seventh, of sentence 0, is left out";
  EXPECT_EQ(count_placeholders(sample), 6);
}

TEST(Documents, RemovesBlanksBesidePlaceholdersAndDefusesThoseOfTheWeb) {
  const Sample sample = parsed(parse_document, R"({
    "text_list": ["See <image> here. ", " Two."],
    "image_info": [{"image_name": "1.png", "matched_text_index": 1}]})");
  EXPECT_EQ(sample.text, "See <IMAGE> here. <image>Two.");
}

TEST(Documents, RefusesAnIndexOutsideTheText) {
  const char* const kTooLarge = R"({"text_list": ["a"], "image_info":
      [{"image_name": "1.png", "matched_text_index": 1}]})";
  const char* const kNegative = R"({"text_list": ["a"], "image_info":
      [{"image_name": "1.png", "matched_text_index": -1}]})";
  expect_refused(parse_document, kTooLarge, "expected 0 to 0");
  expect_refused(parse_document, kNegative, "found -1");
  expect_refused(parse_document, R"({"image_info": []})", "\"text_list\"");
  expect_refused(parse_document, R"({"text_list": [1], "image_info": []})", "\"text_list\"[0]");
  expect_refused(parse_document, R"({"text_list": ["a"], "image_info": [{"image_name": "x"}]})",
                 "matched_text_index");
}

std::string human_turn(const char* image, const std::string& value) {
  Json row = {{"conversations", {{{"from", "human"}, {"value", value}}}}};
  row["image"] = Json::parse(image);
  return parse_conversation(row, {kWhere, kRoot}).turns.at(0).content;
}

// Expected strings: preprocess_multimodal of M24 run in Python on the same values.
TEST(Conversations, KeepsPlaceholdersInPlaceAndEndsTheirLines) {
  EXPECT_EQ(human_turn(R"("a.png")", "<image>\nWhat is this?"), "<image>\nWhat is this?");
  EXPECT_EQ(human_turn(R"("a.png")", "What is this?\n<image>"), "What is this? <image>");
  EXPECT_EQ(human_turn(R"(["a.png", "b.png"])", "A: <image> B: <image> Which?"),
            "A: <image>\nB: <image>\nWhich?");
  EXPECT_EQ(human_turn(R"(["a.png", "b.png"])", "<image><image>Which?"),
            "<image>\n <image>\nWhich?");
}

TEST(Conversations, PutsForgottenPlaceholdersInFront) {
  EXPECT_EQ(human_turn(R"("a.png")", "What?"), "<image>\nWhat?");
  EXPECT_EQ(human_turn(R"(["a.png", "b.png"])", "Which?"), "<image>\n <image>\nWhich?");
  EXPECT_EQ(human_turn("null", " What? "), " What? ");
}

TEST(Conversations, MapsTheSpeakersAndReadsOneManyOrNoPictures) {
  const char* const kTurns = R"("conversations": [{"from": "human", "value": "q"},
      {"from": "gpt", "value": "a"}, {"from": "user", "value": "r"},
      {"from": "assistant", "value": "b"}])";
  const Sample none = parsed(parse_conversation, ("{" + std::string(kTurns) + "}").c_str());
  ASSERT_EQ(none.turns.size(), 4u);
  EXPECT_EQ(none.turns[0].role, "user");
  EXPECT_EQ(none.turns[1].role, "assistant");
  EXPECT_EQ(none.turns[2].role, "user");
  EXPECT_EQ(none.turns[3].role, "assistant");
  EXPECT_TRUE(none.images.empty());
  const Sample two = parsed(parse_conversation,
                            ("{\"image\": [\"a\", \"b\"], " + std::string(kTurns) + "}").c_str());
  EXPECT_EQ(two.images.size(), 2u);
  EXPECT_EQ(count_placeholders(two), 2);
}

TEST(Conversations, LeavesOutAFirstTurnOfTheModel) {
  const Sample sample = parsed(parse_conversation, R"({"conversations": [
      {"from": "gpt", "value": "hello"}, {"from": "human", "value": "q"}]})");
  ASSERT_EQ(sample.turns.size(), 1u);
  EXPECT_EQ(sample.turns[0].content, "q");
}

TEST(Conversations, ReadsTestQuestionsAsTheyStand) {
  const Sample sample = parsed(parse_conversation, R"({"images": ["a.png", "b.png"],
      "prompt": "<image> is a dax. <image> is a", "answer": "blick"})");
  ASSERT_EQ(sample.turns.size(), 2u);
  EXPECT_EQ(sample.turns[0].content, "<image> is a dax. <image> is a");
  EXPECT_EQ(sample.turns[1].role, "assistant");
  EXPECT_EQ(sample.turns[1].content, "blick");
  ASSERT_EQ(sample.images.size(), 2u);
  EXPECT_EQ(sample.images[1].name(), "shots/b.png");
  expect_refused(parse_conversation, R"({"prompt": "x", "answer": ["a"]})", "\"answer\"");
}

TEST(Conversations, RefusesAnUnknownSpeaker) {
  expect_refused(parse_conversation, R"({"conversations": [{"from": "system", "value": "x"}]})",
                 "found \"system\"");
  expect_refused(parse_conversation, R"({"conversations": [{"from": "human"}]})", "\"value\"");
  expect_refused(parse_conversation, R"({"image": [3], "conversations": []})", "\"image\"");
}

TEST(TextRows, ReadsTextAndDefusesPlaceholders) {
  const Sample sample = parsed(parse_text, R"({"id": "t", "text": "the <image> tag"})");
  EXPECT_EQ(sample.kind, Kind::text);
  EXPECT_EQ(sample.text, "the <IMAGE> tag");
  EXPECT_EQ(count_placeholders(sample), 0);
}

}  // namespace
}  // namespace vila::data
