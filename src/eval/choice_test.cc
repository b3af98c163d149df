// SPDX-License-Identifier: Apache-2.0
#include "eval/choice.h"

#include <gtest/gtest.h>

namespace vila::eval {
namespace {

const Choices kAnimals = {{'A', "a cat"}, {'B', "a dog"}, {'C', "a horse"}, {'D', "a cow"}};

TEST(Choice, TakesALetterHoweverItIsWritten) {
  for (const char* answer :
       {"B", "B.", "(B)", "B: a dog", "The answer is B.", "*B*", "[B], surely"})
    EXPECT_EQ(infer_choice(answer, kAnimals), 'B') << answer;
}

TEST(Choice, TakesALetterOnlyAmongTheLastFourWords) {
  EXPECT_EQ(infer_choice("B because it barks at people", kAnimals), '\0');
  EXPECT_EQ(infer_choice("B is a dog", kAnimals), 'B');
}

TEST(Choice, TakesNoneOfTwoLetters) {
  EXPECT_EQ(infer_choice("A or B", kAnimals), '\0');
}

TEST(Choice, TakesTheOnlyOptionThatIsNamed) {
  EXPECT_EQ(infer_choice("it shows A Dog", {{'B', "a dog"}, {'C', "a horse"}}), 'B');
  EXPECT_EQ(infer_choice("a dog and a horse", kAnimals), '\0');
  EXPECT_EQ(infer_choice("this long answer speaks of a dog and of so much else besides that it "
                         "is not trusted",
                         kAnimals),
            '\0');
}

TEST(Choice, TellsRefusalsAndFailedCalls) {
  EXPECT_EQ(infer_choice("Cannot determine the answer", kAnimals), 'Z');
  EXPECT_EQ(infer_choice("Z", kAnimals), 'Z');
  EXPECT_EQ(infer_choice("Failed to obtain answer via API. B", kAnimals), '\0');
}

TEST(Choice, ReadsAnEmphasisedAnswer) {
  EXPECT_EQ(infer_choice("The correct answer is **C**, as opposed to A or B here", kAnimals), 'C');
}

}  // namespace
}  // namespace vila::eval
