// SPDX-License-Identifier: Apache-2.0
#include "data/nano/wordnet.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::data::nano {
namespace {

// Lines in the form of wndb(5WN): an animal, a dog that is one, and two opposites.
constexpr std::string_view kNouns =
    "  1 This software and database\n"
    "00000100 05 n 01 animal 0 000 | a living thing that moves\n"
    "00000200 05 n 02 dog 0 domestic_dog 0 001 @ 00000100 n 0000 | a tame wolf; \"the dog barked "
    "all night\"\n";
constexpr std::string_view kNounIndex =
    "  1 This software and database\n"
    "animal n 1 0 1 1 00000100\n"
    "dog n 1 1 @ 1 42 00000200\n"
    "domestic_dog n 1 1 @ 1 0 00000200\n";
constexpr std::string_view kAdjectives =
    "00000300 00 a 01 hot(a) 0 001 ! 00000400 a 0101 | of high temperature\n"
    "00000400 00 a 01 cold 0 001 ! 00000300 a 0101 | of low temperature\n";
constexpr std::string_view kAdjectiveIndex =
    "cold a 1 1 ! 1 3 00000400\nhot a 1 1 ! 1 3 00000300\n";

class NanoWordNet : public testing::Test {
 protected:
  NanoWordNet() {
    folder_.write("data.noun", kNouns);
    folder_.write("index.noun", kNounIndex);
    folder_.write("data.adj", kAdjectives);
    folder_.write("index.adj", kAdjectiveIndex);
    for (const char* name : {"data.verb", "index.verb", "data.adv", "index.adv"}) {
      folder_.write(name, "  1 This software and database\n");
    }
  }

  test::TemporaryFolder folder_;
};

TEST_F(NanoWordNet, ReadsWordsDefinitionsExamplesAndKinds) {
  const WordNet wordnet(folder_.path());
  const Synset* dog = wordnet.first_meaning(PartOfSpeech::noun, "dog");
  ASSERT_NE(dog, nullptr);
  EXPECT_EQ(dog->words, (std::vector<std::string>{"dog", "domestic dog"}));
  EXPECT_EQ(dog->definition, "a tame wolf");
  EXPECT_EQ(dog->examples, (std::vector<std::string>{"the dog barked all night"}));
  ASSERT_EQ(dog->kinds_of.size(), 1u);
  const Synset* kind = wordnet.at_offset(PartOfSpeech::noun, dog->kinds_of.front());
  ASSERT_NE(kind, nullptr);
  EXPECT_EQ(kind->words.front(), "animal");
}

TEST_F(NanoWordNet, ResolvesOppositesAndDropsMarkers) {
  const WordNet wordnet(folder_.path());
  const Synset* hot = wordnet.first_meaning(PartOfSpeech::adjective, "hot");
  ASSERT_NE(hot, nullptr);
  EXPECT_EQ(hot->opposites, (std::vector<std::pair<std::string, std::string>>{{"hot", "cold"}}));
}

TEST_F(NanoWordNet, TellsCommonWordsAndListsSingleOnes) {
  const WordNet wordnet(folder_.path());
  EXPECT_EQ(wordnet.common_words(PartOfSpeech::noun), (std::vector<std::string>{"animal", "dog"}));
  EXPECT_EQ(wordnet.single_words(), (std::vector<std::string>{"animal", "cold", "dog", "hot"}));
  EXPECT_EQ(wordnet.first_meaning(PartOfSpeech::noun, "unicorn"), nullptr);
}

TEST_F(NanoWordNet, MakesSentences) {
  const WordNet wordnet(folder_.path());
  const Synset* dog = wordnet.first_meaning(PartOfSpeech::noun, "dog");
  const Synset* cold = wordnet.first_meaning(PartOfSpeech::adjective, "cold");
  EXPECT_EQ(sentence_of(*dog, "dog"), "A dog is a tame wolf. The dog barked all night.");
  EXPECT_EQ(sentence_of(*cold, "cold"), "Cold means of low temperature.");
  EXPECT_EQ(sentence_of({PartOfSpeech::verb, {}, "move fast", {}, {}, {}}, "run"),
            "To run is to move fast.");
}

TEST_F(NanoWordNet, RefusesLinesWithoutAGloss) {
  test::expect_error(ErrorCode::invalid_data, "gloss", [] {
    parse_synset("00000100 05 n 01 animal 0 000", PartOfSpeech::noun, "data.noun");
  });
}

}  // namespace
}  // namespace vila::data::nano
