// SPDX-License-Identifier: Apache-2.0
#include "data/preview.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/html.h"
#include "media/decode.h"
#include "media/image.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "support/tiny_tokenizer.h"

namespace vila::data {
namespace {

size_t count(const std::string& text, const std::string& part) {
  size_t times = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++times;
  return times;
}

class Preview : public testing::Test {
 protected:
  Preview() : tokenizer_(tiny_tokenizer()) {
    folder_.write("a.png", media::encode_png(media::Image(3, 2)));
    options_.labels.tokenizer = tokenizer_.get();
    options_.labels.chat_template = &text::find_chat_template("vicuna_v1");
    options_.labels.tokens_per_image = 64;
  }

  std::string page(const std::string& rows, Kind kind) const {
    return preview_html(*open_dataset(folder_.write("set.jsonl", rows), kind), options_);
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  PreviewOptions options_;

 private:
  std::unique_ptr<text::Tokenizer> tiny_tokenizer() const {
    test::write_tiny_tokenizer(folder_.path());
    return text::load_tokenizer(folder_.path());
  }
};

TEST_F(Preview, ColoursAnswersMasksQuestionsAndBadgesPictures) {
  const std::string html = page(R"([{"image": "a.png", "conversations": [
      {"from": "human", "value": "<image>\nWhat is this?"},
      {"from": "gpt", "value": "A cat."}]}])",
                                Kind::conversations);
  const auto answer = tokenizer_->encode("A cat.</s>", {.add_bos = false});
  EXPECT_EQ(count(html, "<span class=\"loss") - 1, answer.size()) << "and one in the legend";
  const auto spelled = [&](const char* kind, text::TokenId id) {
    return fmt::format("<span class=\"{}\" title=\"id {}: {}\">", kind, id,
                       escape_html(tokenizer_->piece(id)));
  };
  EXPECT_NE(html.find(spelled("loss", answer.front())), std::string::npos);
  EXPECT_NE(html.find(spelled("mask special", tokenizer_->bos_id())), std::string::npos);
  EXPECT_NE(html.find("title=\"id 2: &lt;/s&gt;\">&lt;/s&gt;</span>"), std::string::npos);
  EXPECT_NE(html.find(">picture 1 × 64</span>"), std::string::npos);
}

TEST_F(Preview, EmbedsThePicturesWithTheirSizes) {
  const std::string html = page(R"({"image": "a.png", "text": "a cat"})", Kind::pairs);
  EXPECT_NE(html.find("<img src=\"data:image/png;base64,"), std::string::npos);
  EXPECT_NE(html.find("1. a.png 3 × 2"), std::string::npos);
  EXPECT_EQ(count(html, "src=\"") - count(html, "src=\"data:"), 0u) << "nothing from outside";
}

TEST_F(Preview, NeverTurnsTextIntoMarkup) {
  const std::string html =
      page(R"({"id": "<script>1</script>", "image": "a.png", "concept": "\"><script>2</script>",)"
           R"( "text": "<script>alert(3)</script> <img onerror=x>"})",
           Kind::pairs);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("<img onerror"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;1&lt;/script&gt;"), std::string::npos);
  EXPECT_NE(html.find("Content-Security-Policy\" content=\"default-src 'none'"), std::string::npos);
  options_.labels.tokenizer = nullptr;
  const std::string plain =
      page(R"({"text_list": ["<script>", "x"], "image_info": [{"image_name": "a.png",)"
           R"( "matched_text_index": 1}]})",
           Kind::documents);
  EXPECT_NE(plain.find("&lt;script&gt;<span class=\"picture\">picture 1</span>x"),
            std::string::npos);
}

TEST_F(Preview, ShowsWhyARowOrAPictureCannotBeRead) {
  const std::string html =
      page("{\"image\": \"none.png\", \"text\": \"a\"}\n{\"image\": <b>}\n", Kind::pairs);
  EXPECT_EQ(count(html, "class=\"fault\""), 2u);
  EXPECT_NE(html.find("none.png"), std::string::npos);
  EXPECT_NE(html.find("set.jsonl:2 (row 1)"), std::string::npos);
  EXPECT_EQ(html.find("<b>"), std::string::npos);
}

TEST_F(Preview, ShowsWhatTheModelsLengthCutsOff) {
  options_.max_length = 66;
  const std::string html = page(R"({"image": "a.png", "text": "The cat sits."})", Kind::pairs);
  const auto caption = tokenizer_->encode("The cat sits.", {.add_bos = false});
  EXPECT_EQ(count(html, " cut\" title"), caption.size()) << "all but its first, and the end";
}

TEST_F(Preview, ShowsTheRowsAskedForOrDrawnBySeed) {
  std::string rows;
  for (int row = 0; row < 40; ++row)
    rows += fmt::format("{{\"text\": \"row\", \"id\": {}}}\n", row);
  options_.count = 5;
  const std::string drawn = page(rows, Kind::text);
  EXPECT_EQ(count(drawn, "<article>"), 5u);
  EXPECT_EQ(page(rows, Kind::text), drawn);
  options_.rows = {7, 3};
  const std::string asked = page(rows, Kind::text);
  EXPECT_EQ(count(asked, "<article>"), 2u);
  EXPECT_NE(asked.find("(row 7)"), std::string::npos);
  options_.rows = {40};
  test::expect_error(ErrorCode::invalid_argument, "expected 0 to 39",
                     [&] { page(rows, Kind::text); });
}

}  // namespace
}  // namespace vila::data
