// SPDX-License-Identifier: Apache-2.0
// Figures of pycocoevalcap 1.2 (Bleu, Cider, Rouge after its PTBTokenizer) for made-up captions.
#include "eval/caption_metrics.h"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "eval/ptb_tokenizer.h"

namespace vila::eval {
namespace {

constexpr double kTolerance = 1e-12;  // both sides are double; sums come in another order

std::vector<CaptionPair> made_up() {
  const std::vector<std::pair<const char*, std::vector<const char*>>> texts = {
      {"A dog runs along the beach.",
       {"A brown dog is running on the beach.", "Two dogs running -- on the sand!",
        "A dog runs at the water's edge.", "the dog on a beach"}},
      {"a man riding a red bicycle",
       {"A man's riding a bike down the street.", "A person rides a red bicycle.",
        "man on bicycle"}},
      {"two cats sleep on a couch",
       {"Two cats are asleep on a sofa.", "Cats on the couch; one is black-and-white.",
        "two cats sleep on a couch"}},
      {"a plate",
       {"A plate of food with rice, beans and a fork.", "A white plate topped with food.",
        "Dinner is served on a plate"}},
      {"a train at the station with people waiting on the platform next to it in the rain",
       {"A train pulls into a station.", "People waiting for a train."}},
      {"zebra", {"A giraffe eats leaves from a tall tree.", "The giraffe's eating."}}};
  std::vector<CaptionPair> pairs;
  for (const auto& [candidate, references] : texts) {
    CaptionPair& pair = pairs.emplace_back();
    pair.candidate = ptb_tokens(candidate);
    for (const char* reference : references)
      pair.references.push_back(ptb_tokens(reference));
  }
  return pairs;
}

TEST(CaptionMetrics, CiderIsThatOfTheCocoScorer) {
  const std::vector<double> expected = {1.4234018035657745, 2.0268493664620166, 4.2804364905605246,
                                        1.234280396703244,  0.2072594952543544, 0.0};
  const std::vector<double> found = cider_d(made_up());
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], kTolerance) << i;
  EXPECT_NEAR(std::accumulate(found.begin(), found.end(), 0.0) / 6, 1.5287045920909856, kTolerance);
}

TEST(CaptionMetrics, BleuIsThatOfTheCocoScorer) {
  BleuCounts total;
  for (const CaptionPair& pair : made_up()) {
    const BleuCounts counts = bleu_counts(pair);
    total.candidate_length += counts.candidate_length;
    total.reference_length += counts.reference_length;
    for (size_t n = 0; n < kBleuOrders; ++n) {
      total.guesses[n] += counts.guesses[n];
      total.correct[n] += counts.correct[n];
    }
  }
  EXPECT_EQ(total.candidate_length, 38);
  EXPECT_EQ(total.reference_length, 34);
  const std::array<double, kBleuOrders> expected = {0.6315789473518006, 0.5441071875668478,
                                                    0.4036938537711951, 0.3043599174761382};
  const auto found = bleu(total);
  for (size_t n = 0; n < kBleuOrders; ++n)
    EXPECT_NEAR(found[n], expected[n], kTolerance) << "BLEU-" << n + 1;
}

TEST(CaptionMetrics, RougeIsThatOfTheCocoScorer) {
  const std::vector<double> expected = {0.5570776255707762,  0.6666666666666666,  1.0,
                                        0.45864661654135336, 0.28549141965678626, 0.0};
  const auto pairs = made_up();
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(rouge_l(pairs[i]), expected[i], kTolerance) << i;
}

TEST(CaptionMetrics, NothingSaidIsWorthNothing) {
  std::vector<CaptionPair> pairs = made_up();
  pairs[0].candidate.clear();
  EXPECT_EQ(cider_d(pairs)[0], 0);
  EXPECT_EQ(rouge_l(pairs[0]), 0);
  EXPECT_LT(bleu(bleu_counts(pairs[0]))[0], 1e-6);
}

// Shorter than the references: BLEU-1 of two words that are both right is the brevity penalty
// alone.
TEST(CaptionMetrics, BleuPenalisesBrevity) {
  const CaptionPair pair{.candidate = {"a", "plate"},
                         .references = {{"a", "plate", "of", "food"}, {"a", "b", "c", "d", "e"}}};
  EXPECT_NEAR(bleu(bleu_counts(pair))[0], std::exp(1 - 4.0 / 2), 1e-8);
}

}  // namespace
}  // namespace vila::eval
