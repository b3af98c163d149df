// SPDX-License-Identifier: Apache-2.0
#include "eval/caption_metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>

namespace vila::eval {
namespace {

// An n-gram is its tokens with a blank between them, which no token contains.
using Counts = std::map<std::string, double>;

// Counts of all n-grams, by order: [0] are single words.
std::array<Counts, kBleuOrders> count_ngrams(std::span<const std::string> tokens) {
  std::array<Counts, kBleuOrders> counts;
  for (size_t begin = 0; begin < tokens.size(); ++begin) {
    std::string ngram;
    for (size_t n = 0; n < kBleuOrders && begin + n < tokens.size(); ++n) {
      ngram += tokens[begin + n];
      ++counts[n][ngram];
      ngram += ' ';
    }
  }
  return counts;
}

// A caption as CIDEr sees it: tf-idf weights of its n-grams.
struct TfIdf {
  std::array<Counts, kBleuOrders> weights;
  std::array<double, kBleuOrders> norms{};
  double length = 0;  // bigrams
};

class Cider {
 public:
  explicit Cider(std::span<const CaptionPair> pairs)
      : log_pairs_(std::log(static_cast<double>(pairs.size()))) {
    for (const CaptionPair& pair : pairs) {
      std::set<std::string> seen;
      for (const auto& reference : pair.references) {
        for (const Counts& order : count_ngrams(reference)) {
          for (const auto& [ngram, count] : order)
            seen.insert(ngram);
        }
      }
      for (const std::string& ngram : seen)
        ++document_frequency_[ngram];
    }
  }

  double score(const CaptionPair& pair) const {
    constexpr double kScale = 10;
    const TfIdf candidate = weigh(pair.candidate);
    double sum = 0;
    for (const auto& reference : pair.references)
      sum += similarity(candidate, weigh(reference));
    return kScale * sum / static_cast<double>(kBleuOrders) /
           static_cast<double>(pair.references.size());
  }

 private:
  TfIdf weigh(std::span<const std::string> tokens) const {
    TfIdf result;
    result.weights = count_ngrams(tokens);
    for (size_t n = 0; n < kBleuOrders; ++n) {
      for (auto& [ngram, weight] : result.weights[n]) {
        if (n == 1) result.length += weight;
        const auto found = document_frequency_.find(ngram);
        const double frequency = found == document_frequency_.end() ? 1 : found->second;
        weight *= log_pairs_ - std::log(frequency);
        result.norms[n] += weight * weight;
      }
      result.norms[n] = std::sqrt(result.norms[n]);
    }
    return result;
  }

  // Summed over the orders.
  static double similarity(const TfIdf& candidate, const TfIdf& reference) {
    constexpr double kSigma = 6;
    const double delta = candidate.length - reference.length;
    const double penalty = std::exp(-delta * delta / (2 * kSigma * kSigma));
    double sum = 0;
    for (size_t n = 0; n < kBleuOrders; ++n) {
      double product = 0;
      for (const auto& [ngram, weight] : candidate.weights[n]) {
        const auto found = reference.weights[n].find(ngram);
        if (found != reference.weights[n].end())
          product += std::min(weight, found->second) * found->second;
      }
      const double norms = candidate.norms[n] * reference.norms[n];
      sum += penalty * (norms != 0 ? product / norms : product);
    }
    return sum;
  }

  Counts document_frequency_;
  double log_pairs_;
};

size_t common_subsequence(std::span<const std::string> a, std::span<const std::string> b) {
  std::vector<size_t> row(b.size() + 1, 0);
  for (const std::string& word : a) {
    size_t diagonal = 0;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = word == b[j - 1] ? diagonal + 1 : std::max(row[j], row[j - 1]);
      diagonal = above;
    }
  }
  return row.back();
}

// The length of the reference nearest to the candidate's, the shorter one on a tie.
double nearest_length(const CaptionPair& pair) {
  const auto wanted = static_cast<int64_t>(pair.candidate.size());
  const auto best = std::min_element(pair.references.begin(), pair.references.end(),
                                     [&](const auto& a, const auto& b) {
                                       const auto length_a = static_cast<int64_t>(a.size());
                                       const auto length_b = static_cast<int64_t>(b.size());
                                       return std::pair(std::abs(length_a - wanted), length_a) <
                                              std::pair(std::abs(length_b - wanted), length_b);
                                     });
  return static_cast<double>(best->size());
}

}  // namespace

std::vector<double> cider_d(std::span<const CaptionPair> pairs) {
  const Cider cider(pairs);
  std::vector<double> scores;
  for (const CaptionPair& pair : pairs)
    scores.push_back(cider.score(pair));
  return scores;
}

BleuCounts bleu_counts(const CaptionPair& pair) {
  BleuCounts result;
  result.candidate_length = static_cast<double>(pair.candidate.size());
  result.reference_length = nearest_length(pair);
  std::array<Counts, kBleuOrders> most;  // in any one reference
  for (const auto& reference : pair.references) {
    const auto counts = count_ngrams(reference);
    for (size_t n = 0; n < kBleuOrders; ++n) {
      for (const auto& [ngram, count] : counts[n])
        most[n][ngram] = std::max(most[n][ngram], count);
    }
  }
  const auto candidate = count_ngrams(pair.candidate);
  for (size_t n = 0; n < kBleuOrders; ++n) {
    const size_t length = pair.candidate.size();
    result.guesses[n] = static_cast<double>(length > n ? length - n : 0);
    for (const auto& [ngram, count] : candidate[n]) {
      const auto found = most[n].find(ngram);
      if (found != most[n].end()) result.correct[n] += std::min(count, found->second);
    }
  }
  return result;
}

std::array<double, kBleuOrders> bleu(const BleuCounts& counts) {
  constexpr double kTiny = 1e-15;
  constexpr double kSmall = 1e-9;
  std::array<double, kBleuOrders> scores{};
  double product = 1;
  const double ratio = (counts.candidate_length + kTiny) / (counts.reference_length + kSmall);
  for (size_t n = 0; n < kBleuOrders; ++n) {
    product *= (counts.correct[n] + kTiny) / (counts.guesses[n] + kSmall);
    scores[n] = std::pow(product, 1.0 / static_cast<double>(n + 1));
    if (ratio < 1) scores[n] *= std::exp(1 - 1 / ratio);
  }
  return scores;
}

double rouge_l(const CaptionPair& pair) {
  constexpr double kBeta = 1.2;
  double precision = 0;
  double recall = 0;
  for (const auto& reference : pair.references) {
    const auto common = static_cast<double>(common_subsequence(pair.candidate, reference));
    if (common == 0) continue;
    precision = std::max(precision, common / static_cast<double>(pair.candidate.size()));
    recall = std::max(recall, common / static_cast<double>(reference.size()));
  }
  if (precision == 0 || recall == 0) return 0;
  return (1 + kBeta * kBeta) * precision * recall / (recall + kBeta * kBeta * precision);
}

}  // namespace vila::eval
