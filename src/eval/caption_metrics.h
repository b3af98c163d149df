// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace vila::eval {

/// One caption that is scored and the human ones it is held against, as tokens (ptb_tokens()).
struct CaptionPair {
  std::vector<std::string> candidate;
  std::vector<std::vector<std::string>> references;  // at least one
};

/// CIDEr-D of each pair, 0 to 10: mean over n = 1 to 4 of the clipped cosine of tf-idf vectors with
/// a Gaussian penalty (sigma 6) on the difference in length, times 10; document frequencies are
/// over the references of `pairs`. The figure of a set is the mean. Source: Vedantam et al.,
/// "CIDEr: Consensus-based image description evaluation", as cider_scorer.py of the COCO caption
/// scorer computes it (its "length" counts bigrams).
std::vector<double> cider_d(std::span<const CaptionPair> pairs);

constexpr size_t kBleuOrders = 4;

/// What BLEU adds up over a set: lengths, and for n = 1 to 4 the n-grams of the candidate and those
/// of them that are in a reference (clipped). A value.
struct BleuCounts {
  double candidate_length = 0;
  double reference_length = 0;  // of the reference nearest in length, the shorter on a tie
  std::array<double, kBleuOrders> guesses{};
  std::array<double, kBleuOrders> correct{};
};

/// Counts of one pair.
BleuCounts bleu_counts(const CaptionPair& pair);

/// BLEU-1 to BLEU-4 of summed counts, as bleu_scorer.py of the COCO caption scorer: 1e-15 and 1e-9
/// in place of zeros, brevity penalty. Source: Papineni et al., "BLEU".
std::array<double, kBleuOrders> bleu(const BleuCounts& counts);

/// ROUGE-L of one pair: F with beta 1.2 of the best precision and the best recall by longest common
/// subsequence over the references, as rouge.py of the COCO caption scorer.
double rouge_l(const CaptionPair& pair);

}  // namespace vila::eval
