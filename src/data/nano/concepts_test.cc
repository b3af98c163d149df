// SPDX-License-Identifier: Apache-2.0
#include "data/nano/concepts.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "data/nano/category.h"
#include "data/nano/iconify.h"
#include "data/nano/svg_render.h"
#include "data/nano/test_packages.h"
#include "support/expect_error.h"

namespace vila::data::nano {
namespace {

/// `count` concepts of two categories; every other one drawn by all vendors, the rest by two.
std::vector<Concept> some_concepts(int count) {
  std::vector<Concept> concepts;
  for (int i = 0; i < count; ++i) {
    Concept item;
    item.name = fmt::format("thing {}", i);
    item.category = i % 3 == 0 ? "food" : "animal";
    for (size_t v = 0; v < (i % 2 == 0 ? kVendors.size() : 2); ++v) {
      item.drawings.emplace(kVendors[v].name, "<svg/>");
    }
    concepts.push_back(std::move(item));
  }
  return concepts;
}

int64_t held_out(const std::vector<Concept>& concepts) {
  return std::count_if(concepts.begin(), concepts.end(),
                       [](const Concept& item) { return item.is_held_out; });
}

TEST(NanoConcepts, ReadsNamesKeywordsAndDrawingsButNoFlags) {
  const test::TemporaryFolder folder;
  write_emoji_packages(folder);
  const std::vector<Concept> concepts = load_concepts(folder.path(), 1);
  ASSERT_EQ(concepts.size(), static_cast<size_t>(kPackageConcepts));
  EXPECT_EQ(concepts[3].name, "thing 3");
  EXPECT_EQ(concepts[3].slug(), "thing-3");
  EXPECT_EQ(concepts[3].keywords, (std::vector<std::string>{"creature"}));
  EXPECT_EQ(concepts[3].drawings.size(), kVendors.size());
}

TEST(NanoConcepts, NamesTheMissingPackage) {
  const test::TemporaryFolder folder;
  test::expect_error(ErrorCode::not_found, "npm pack unicode-emoji-json",
                     [&] { load_concepts(folder.path(), 1); });
}

TEST(NanoConcepts, HoldsOutTheAskedNumberMostOfThemWellDrawn) {
  std::vector<Concept> concepts = some_concepts(400);
  mark_held_out(concepts, 60, 1);
  EXPECT_EQ(held_out(concepts), 60);
  const auto well_drawn = std::count_if(concepts.begin(), concepts.end(), [](const Concept& item) {
    return item.is_held_out && item.drawings.size() == kVendors.size();
  });
  EXPECT_GE(well_drawn * 10, 60 * 6);
}

TEST(NanoConcepts, HoldsOutFromEveryCategory) {
  std::vector<Concept> concepts = some_concepts(400);
  mark_held_out(concepts, 60, 1);
  std::set<std::string> categories;
  for (const Concept& item : concepts) {
    if (item.is_held_out) categories.insert(item.category);
  }
  EXPECT_EQ(categories.size(), 2u);
}

TEST(NanoConcepts, ChoosesByTheSeedAlone) {
  const auto chosen = [](uint64_t seed) {
    std::vector<Concept> concepts = some_concepts(400);
    mark_held_out(concepts, 60, seed);
    std::vector<std::string> names;
    for (const Concept& item : concepts) {
      if (item.is_held_out) names.push_back(item.name);
    }
    return names;
  };
  EXPECT_EQ(chosen(1), chosen(1));
  EXPECT_NE(chosen(1), chosen(2));
}

TEST(NanoConcepts, RecogniseAHeldOutNameInACaption) {
  std::vector<Concept> concepts = some_concepts(3);
  concepts[1].is_held_out = true;
  EXPECT_TRUE(names_held_out("a drawing of Thing 1.", concepts));
  EXPECT_FALSE(names_held_out("a drawing of thing 2", concepts));
  EXPECT_FALSE(names_held_out("thing 10", concepts));
}

TEST(NanoCategory, FollowsTheRunsOfTheUnicodeList) {
  CategoryReader reader;
  EXPECT_EQ(reader.next("grinning face", "Smileys & Emotion"), "face");
  EXPECT_EQ(reader.next("monkey face", "Animals & Nature"), "animal");
  EXPECT_EQ(reader.next("gorilla", "Animals & Nature"), "animal");
  EXPECT_EQ(reader.next("spider web", "Animals & Nature"), "object");
  EXPECT_EQ(reader.next("scorpion", "Animals & Nature"), "animal");
  EXPECT_EQ(reader.next("bouquet", "Animals & Nature"), "plant");
  EXPECT_EQ(reader.next("Aries", "Symbols"), "symbol");
}

TEST(NanoCategory, MapsStampFoldersToTheSameWords) {
  EXPECT_EQ(stamp_category("animals/birds"), "animal");
  EXPECT_EQ(stamp_category("military/vehicles"), "vehicle");
  EXPECT_EQ(stamp_category("military"), "object");
  EXPECT_EQ(stamp_category("seasonal/easter"), "");
  const auto& names = category_names();
  for (const char* folder : {"clothes", "people", "space", "town/houses", "plants"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), stamp_category(folder)), names.end());
  }
}

TEST(NanoIconify, JoinsByCodePointByNameAndByOldNames) {
  const test::TemporaryFolder folder;
  folder.write("iconify-json-fxemoji/chars.json", "{\"1f34e-fe0f\":\"apple\"}");
  folder.write("iconify-json-fxemoji/icons.json",
               R"({"width":8,"height":8,"icons":{"apple":{"body":"<a/>"},"redheart":{"body":"<b/>"},
                   "racecar":{"body":"<c/>"}},
                   "aliases":{"turned":{"parent":"apple","hFlip":true}}})");
  const IconSet icons(folder.path(), "fxemoji");
  EXPECT_EQ(icons.find("\xf0\x9f\x8d\x8e", "red apple"), wrap_svg("<a/>", 8, 8));
  EXPECT_EQ(icons.find("\u2764\ufe0f", "red heart"), wrap_svg("<b/>", 8, 8));
  EXPECT_EQ(icons.find("\xf0\x9f\x8f\x8e", "racing car"), wrap_svg("<c/>", 8, 8));
  EXPECT_NE(icons.find("x", "turned").find("scale(-1 1)"), std::string::npos);
  EXPECT_EQ(icons.find("x", "nothing of the kind"), "");
}

}  // namespace
}  // namespace vila::data::nano
