// SPDX-License-Identifier: Apache-2.0
#include "data/stats.h"

#include <algorithm>
#include <bit>
#include <set>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

namespace vila::data {
namespace {

/// Text of a sample without placeholders and roles.
std::string plain_text(const Sample& sample) {
  std::string text = sample.text;
  for (const text::Message& turn : sample.turns)
    text += turn.content + "\n";
  constexpr std::string_view kPlaceholder = spec::kImagePlaceholder;
  for (size_t at = text.find(kPlaceholder); at != std::string::npos; at = text.find(kPlaceholder)) {
    text.replace(at, kPlaceholder.size(), 1, ' ');
  }
  return text;
}

class WordCounter {
 public:
  /// @return words of the text: runs of characters between ASCII blanks, punctuation at their ends
  /// not counted as part of them.
  int64_t add(const std::string& text) {
    int64_t words = 0;
    std::string word;
    for (const char c : text + " ") {
      if (std::string_view(" \t\n\v\f\r").find(c) == std::string_view::npos) {
        word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      } else if (!word.empty()) {
        ++words;
        count(word);
        word.clear();
      }
    }
    return words;
  }

  int64_t distinct() const { return static_cast<int64_t>(counts_.size()); }

  std::vector<std::pair<std::string, int64_t>> most_common(int64_t limit) const {
    std::vector<std::pair<std::string, int64_t>> words(counts_.begin(), counts_.end());
    std::ranges::sort(words, [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    words.resize(std::min(words.size(), static_cast<size_t>(limit)));
    return words;
  }

 private:
  void count(std::string_view word) {
    constexpr std::string_view kPunctuation = ".,;:!?\"'()[]{}";
    const size_t begin = word.find_first_not_of(kPunctuation);
    if (begin == std::string_view::npos) return;
    const size_t end = word.find_last_not_of(kPunctuation);
    ++counts_[std::string(word.substr(begin, end - begin + 1))];
  }

  std::unordered_map<std::string, int64_t> counts_;
};

class Counter {
 public:
  Counter(const Dataset& dataset, const LabelRule& rule) : dataset_(dataset), rule_(rule) {
    stats_.path = dataset.path().string();
    stats_.kind = dataset.kind();
    stats_.rows = dataset.size();
  }

  DataStats run(int64_t common) {
    for (int64_t row = 0; row < dataset_.size(); ++row) {
      try {
        count(dataset_.at(row));
      } catch (const Error&) {
        ++stats_.bad_rows;
      }
    }
    stats_.distinct_pictures = static_cast<int64_t>(pictures_.size());
    stats_.distinct_concepts = static_cast<int64_t>(concepts_.size());
    stats_.distinct_words = words_.distinct();
    stats_.common_words = words_.most_common(common);
    return std::move(stats_);
  }

 private:
  void count(const Sample& sample) {
    if (rule_.tokenizer != nullptr) count_tokens(sample);  // may throw: before all else
    const std::string text = plain_text(sample);
    stats_.characters.add(static_cast<int64_t>(decode_utf8(text).size()));
    stats_.words.add(words_.add(text));
    stats_.pictures.add(static_cast<int64_t>(sample.images.size()));
    stats_.turns.add(static_cast<int64_t>(sample.turns.size()));
    if (!sample.images.empty()) ++stats_.rows_with_pictures;
    for (const ImageSource& image : sample.images)
      pictures_.insert(image.name());
    if (!sample.label.empty()) concepts_.insert(sample.label);
  }

  void count_tokens(const Sample& sample) {
    const spec::LabelledIds labelled = label_sample(sample, rule_);
    stats_.tokens.add(spliced_length(labelled, rule_.tokens_per_image));
    int64_t with_loss = 0;
    // From 1: nothing comes before the first row, so nothing predicts it.
    for (size_t i = 1; i < labelled.ids.size(); ++i) {
      const bool is_image = labelled.ids[i] == spec::kImageToken;
      if (!is_image && labelled.labels[i] != spec::kIgnoreLabel) ++with_loss;
    }
    stats_.loss_tokens.add(with_loss);
  }

  const Dataset& dataset_;
  const LabelRule& rule_;
  DataStats stats_;
  WordCounter words_;
  std::set<std::string> pictures_;
  std::set<std::string> concepts_;
};

struct Quantity {
  const char* name;
  const Distribution DataStats::*distribution;
};

constexpr Quantity kQuantities[] = {
    {"pictures", &DataStats::pictures},     {"turns", &DataStats::turns},
    {"characters", &DataStats::characters}, {"words", &DataStats::words},
    {"tokens", &DataStats::tokens},         {"loss_tokens", &DataStats::loss_tokens},
};

int64_t bin_begin(size_t bin) {
  return bin == 0 ? 0 : int64_t{1} << (bin - 1);
}

Json to_json(const Distribution& distribution) {
  Json histogram = Json::array();
  for (size_t bin = 0; bin < Distribution::kBins; ++bin) {
    if (distribution.bins[bin] == 0) continue;
    histogram.push_back({{"from", bin_begin(bin)}, {"rows", distribution.bins[bin]}});
  }
  return {{"sum", distribution.sum},
          {"mean", distribution.mean()},
          {"least", distribution.least},
          {"most", distribution.most},
          {"histogram", histogram}};
}

std::string bars(const Distribution& distribution, const char* name) {
  std::string text = fmt::format("\nrows by {}\n", name);
  const int64_t tallest = *std::ranges::max_element(distribution.bins);
  for (size_t bin = 0; bin < Distribution::kBins; ++bin) {
    const int64_t rows = distribution.bins[bin];
    if (rows == 0) continue;
    const int64_t last = bin == 0 ? 0 : 2 * bin_begin(bin) - 1;
    const auto length = static_cast<size_t>((rows * 40 + tallest - 1) / tallest);
    text += fmt::format("{:>16} {:>9}  {:#<{}}\n", fmt::format("{}-{}", bin_begin(bin), last), rows,
                        "", length);
  }
  return text;
}

}  // namespace

void Distribution::add(int64_t value) {
  VILA_CHECK(value >= 0, "value {}", value);
  least = rows == 0 ? value : std::min(least, value);
  most = std::max(most, value);
  sum += value;
  ++rows;
  const auto bin = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(value)));
  ++bins[std::min(bin, kBins - 1)];
}

DataStats data_stats(const Dataset& dataset, const LabelRule& rule, int64_t common) {
  return Counter(dataset, rule).run(common);
}

std::string stats_json(const DataStats& stats) {
  Json json = {{"path", replace_invalid_utf8(stats.path)},
               {"kind", kind_name(stats.kind)},
               {"rows", stats.rows},
               {"bad_rows", stats.bad_rows},
               {"rows_with_pictures", stats.rows_with_pictures},
               {"distinct_pictures", stats.distinct_pictures},
               {"distinct_concepts", stats.distinct_concepts},
               {"distinct_words", stats.distinct_words},
               {"common_words", Json::array()}};
  for (const auto& [word, count] : stats.common_words) {
    json["common_words"].push_back({{"word", word}, {"count", count}});
  }
  for (const Quantity& quantity : kQuantities) {
    const Distribution& distribution = stats.*quantity.distribution;
    if (distribution.rows > 0) json[quantity.name] = to_json(distribution);
  }
  return json.dump(2) + "\n";
}

std::string stats_text(const DataStats& stats) {
  std::string text = fmt::format(
      "{} ({})\n  {} rows, {} of them bad, {} with pictures\n"
      "  {} distinct pictures, {} concepts, {} different words\n\n",
      stats.path, kind_name(stats.kind), stats.rows, stats.bad_rows, stats.rows_with_pictures,
      stats.distinct_pictures, stats.distinct_concepts, stats.distinct_words);
  text +=
      fmt::format("{:<14}{:>12}{:>12}{:>10}{:>10}\n", "per row", "all", "mean", "least", "most");
  for (const Quantity& quantity : kQuantities) {
    const Distribution& distribution = stats.*quantity.distribution;
    if (distribution.sum == 0) continue;
    text += fmt::format("{:<14}{:>12}{:>12.1f}{:>10}{:>10}\n", quantity.name, distribution.sum,
                        distribution.mean(), distribution.least, distribution.most);
  }
  const bool has_tokens = stats.tokens.rows > 0;
  if (stats.words.rows > 0) {
    text += bars(has_tokens ? stats.tokens : stats.words, has_tokens ? "tokens" : "words");
  }
  if (stats.common_words.empty()) return text;
  text += "\nmost common words:";
  for (const auto& [word, count] : stats.common_words)
    text += fmt::format(" {} {},", word, count);
  text.back() = '\n';
  return text;
}

}  // namespace vila::data
