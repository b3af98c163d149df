// SPDX-License-Identifier: Apache-2.0
#include "data/nano/documents.h"

#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "data/dataset.h"
#include "data/nano/phrases.h"
#include "support/temporary_folder.h"

namespace vila::data::nano {
namespace {

/// Twelve things in three styles, two pictures each.
Gallery small_gallery() {
  std::vector<Pair> pairs;
  for (int thing = 0; thing < 12; ++thing) {
    for (int picture = 0; picture < 6; ++picture) {
      Pair pair;
      pair.label = "thing " + std::to_string(thing);
      pair.vendor = "style " + std::to_string(picture / 2);
      pair.category = thing % 2 == 0 ? "food" : "animal";
      pair.image = pair.label + "/" + std::to_string(picture) + ".png";
      pairs.push_back(std::move(pair));
    }
  }
  return Gallery(std::move(pairs));
}

std::string thing_of(const std::string& image) {
  return image.substr(0, image.find('/'));
}

std::string word_of(std::string sentence) {
  sentence = sentence.substr(sentence.find("is a ") + 5);
  return sentence.substr(0, sentence.find('.'));
}

TEST(NanoGallery, FindsAnotherPictureOfTheSameThing) {
  const Gallery gallery = small_gallery();
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    const Pair& picture = gallery.any(random);
    const Pair& other = gallery.another(picture, random);
    EXPECT_EQ(other.label, picture.label);
    EXPECT_NE(other.image, picture.image);
  }
}

TEST(NanoGallery, DrawsDifferentLabelsOfOneCategoryWhenAsked) {
  const Gallery gallery = small_gallery();
  Random random(1);
  for (int i = 0; i < 100; ++i) {
    const auto labels = gallery.several_labels(2, true, random);
    EXPECT_NE(labels[0], labels[1]);
    EXPECT_EQ(gallery.of(labels[0], random).category, gallery.of(labels[1], random).category);
  }
}

TEST(NanoDocuments, InContextQueriesRepeatTheWordOfTheirThing) {
  const Gallery gallery = small_gallery();
  const std::vector<std::string> words = made_up_words(40, 1);
  for (int i = 0; i < 200; ++i) {
    Random random = random_for(1, std::to_string(i));
    const InContextForm form{2 + i % 2, 1 + i % 4, i % 2 == 0};
    const Document document = in_context_document("x", gallery, words, form, random);
    const Json row = parse_json(document.to_line(), "document");
    const size_t pictures = static_cast<size_t>(form.meanings + form.queries);
    ASSERT_EQ(row["image_info"].size(), pictures);
    std::map<std::string, std::string> meanings;
    std::set<std::string> used;
    for (size_t p = 0; p < pictures; ++p) {
      const std::string thing = thing_of(row["image_info"][p]["image_name"].get<std::string>());
      const std::string word = word_of(row["text_list"][p].get<std::string>());
      EXPECT_EQ(row["image_info"][p]["matched_text_index"], p);
      const auto [known, is_new] = meanings.emplace(thing, word);
      EXPECT_EQ(known->second, word);
      EXPECT_EQ(is_new, p < static_cast<size_t>(form.meanings));
      used.insert(word);
    }
    EXPECT_EQ(used.size(), static_cast<size_t>(form.meanings));
  }
}

// The bar asks in these very words, blanks included; the reader of documents drops a blank on each
// side of a picture, which the spaced form makes up for.
TEST(NanoDocuments, SpacedInContextTextReadsAsTheTestAsks) {
  const Gallery gallery = small_gallery();
  const std::vector<std::string> words = {"blick", "dax"};
  Random random(4);
  const Document document = in_context_document("x", gallery, words, {2, 1, true}, random);
  const test::TemporaryFolder folder;
  const auto path = folder.write("in-context.jsonl", document.to_line() + "\n");
  std::string text = open_dataset(path, Kind::documents)->at(0).text;
  for (const std::string& word : words) {
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word)) {
      text.replace(at, word.size(), "W");
    }
  }
  EXPECT_EQ(text, "<image> is a W. <image> is a W. <image> is a W.");
}

TEST(NanoDocuments, TestWordsAreNoTrainingWords) {
  const MadeUpWords words = made_up_word_split({}, 1);
  const std::set<std::string> training(words.training.begin(), words.training.end());
  EXPECT_GT(training.size(), 1000u);
  EXPECT_GE(words.test.size(), 200u);
  for (const std::string& word : words.test)
    EXPECT_FALSE(training.contains(word)) << word;
}

}  // namespace
}  // namespace vila::data::nano
