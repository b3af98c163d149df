// SPDX-License-Identifier: Apache-2.0
#include "eval/rules.h"

#include <gtest/gtest.h>

#include "eval/mmmu.h"
#include "support/expect_error.h"

namespace vila::eval {
namespace {

const std::vector<std::string> kNoGolds = {"none"};
const Choices kAnimals = {{'A', "a red cat"}, {'B', "a blue dog"}, {'C', "a bird"}};

double score(Rule rule, const char* answer, std::vector<std::string> golds,
             const Choices& choices = {}) {
  return judge(rule, answer,
               {.golds = golds, .choices = choices, .precision = 0, .answer_type = ""})
      .score;
}

TEST(Rules, ExactIgnoresCaseAndOuterBlanks) {
  EXPECT_EQ(score(Rule::exact, " Cat\n", {"dog", "cat "}), 1);
  EXPECT_EQ(score(Rule::exact, "cats", {"cat"}), 0);
}

TEST(Rules, GuessTakesLettersWhereThereAreOptions) {
  EXPECT_EQ(score(Rule::guess, "B.", {"B"}, kAnimals), 1);
  EXPECT_EQ(score(Rule::guess, "B.", {"B"}), 0);
}

TEST(Rules, LetterTakesOnlyALetterInFront) {
  EXPECT_EQ(score(Rule::letter, " B", {"B"}, kAnimals), 1);
  EXPECT_EQ(score(Rule::letter, "(B) a blue dog", {"B"}, kAnimals), 1);
  EXPECT_EQ(score(Rule::letter, "Blue", {"B"}, kAnimals), 0);
  EXPECT_EQ(judge(Rule::letter, "Blue", {.golds = kNoGolds, .choices = kAnimals}).outcome,
            Outcome::unparsed);
}

TEST(Rules, VqaIsSoftOverTenHumans) {
  std::vector<std::string> humans(10, "dog");
  humans[0] = humans[1] = "two cats";
  EXPECT_NEAR(score(Rule::vqa, "2 cats", humans), 0.6, 1e-12);
  EXPECT_EQ(score(Rule::vqa, "Dog.", humans), 1);
}

// The forms that GSM8K's answers have, and what its test script makes of them.
TEST(Rules, NumberIsTheOneAfterTheMarkOrTheLast) {
  const std::vector<std::string> gold = {"She has 3 * 4 = <<3*4=12>>12 eggs.\n#### 1,012"};
  EXPECT_EQ(score(Rule::number, "so it is $1,012.", gold), 1);
  EXPECT_EQ(score(Rule::number, "#### 1012\nQuestion: 7", gold), 1);
  EXPECT_EQ(score(Rule::number, "#### 7 and 1012", gold), 0);
  EXPECT_EQ(score(Rule::number, "1012.00", gold), 1);
  EXPECT_EQ(score(Rule::number, "a range 3-1012", gold), 0);  // its last number is -1012
  EXPECT_EQ(score(Rule::number, "-5", {"#### -5"}), 1);
  EXPECT_EQ(judge(Rule::number, "none", {.golds = gold, .choices = {}}).outcome, Outcome::unparsed);
}

TEST(Rules, AnlsTakesTheNearestGold) {
  EXPECT_EQ(score(Rule::anls, "cat", {"dog", "cat"}), 1);
  EXPECT_NEAR(score(Rule::anls, "hello", {"hallo"}), 0.8, 1e-12);
}

TEST(Rules, MathVistaNormalisesByTheTypeOfTheAnswer) {
  const auto judged = [](const char* answer, const char* gold, const char* type,
                         const Choices& choices = {}) {
    const std::vector<std::string> golds = {gold};
    return judge(Rule::mathvista, answer,
                 {.golds = golds, .choices = choices, .precision = 1, .answer_type = type})
        .score;
  };
  EXPECT_EQ(judged("The answer is \"7\".", "7", "integer"), 1);
  EXPECT_EQ(judged("about 7.9", "7", "integer"), 1);  // cut to a whole number, as int() does
  EXPECT_EQ(judged("1.24", "1.2", "float"), 1);
  EXPECT_EQ(judged("1.26", "1.2", "float"), 0);
  EXPECT_EQ(judged("(B)", "a blue dog", "text", kAnimals), 1);
  EXPECT_EQ(judged("blue dogs", "a blue dog", "text", kAnimals), 1);  // the nearest option
  EXPECT_EQ(judged("", "7", "integer"), 0);
}

TEST(Rules, HaveNamesThatFindThem) {
  for (const char* name : {"exact_match", "choice", "vqa_accuracy", "caption", "perplexity"})
    EXPECT_EQ(rule_name(find_rule(name)), name);
  test::expect_error(ErrorCode::invalid_argument, "relaxed_accuracy", [] { find_rule("bleu"); });
}

// Each branch of parse_multi_choice_response(), worked out by hand.
TEST(Mmmu, FindsTheLetterAsItsScriptDoes) {
  EXPECT_EQ(mmmu_choice("B", kAnimals), 'B');
  EXPECT_EQ(mmmu_choice("B.", kAnimals), 'B');
  EXPECT_EQ(mmmu_choice("The answer is (C), not A", kAnimals), 'C');    // brackets first
  EXPECT_EQ(mmmu_choice("(A) is wrong, (B) is right", kAnimals), 'B');  // the last one
  EXPECT_EQ(mmmu_choice("A or B", kAnimals), 'B');
  EXPECT_EQ(mmmu_choice("It must be the one with a Blue Dog", kAnimals), 'B');
  EXPECT_EQ(mmmu_choice("a blue dog", kAnimals), '\0');  // a text counts only in long answers
  EXPECT_EQ(mmmu_choice("", kAnimals), '\0');
}

TEST(Mmmu, MatchesOpenAnswersAsItsScriptDoes) {
  const auto matches = [](const char* answer, std::vector<std::string> golds) {
    return is_mmmu_match(answer, golds);
  };
  EXPECT_TRUE(matches("The total is $1,234.50.", {"1234.5"}));
  EXPECT_TRUE(matches("x = 3.14159", {"3.14"}));
  EXPECT_FALSE(matches("x = 3.15", {"3.14"}));
  EXPECT_TRUE(matches("so the river is the Blue Nile", {"Nile", "Amazon"}));
  EXPECT_FALSE(matches("The answer is cats.\nI am not sure about dogs", {"dogs"}));  // no key part
  EXPECT_TRUE(matches("1e3", {"1000"}));
}

}  // namespace
}  // namespace vila::eval
