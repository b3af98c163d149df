// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "eval/python_text.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval::llava_bench {
namespace {

namespace fs = std::filesystem;

struct Review {
  std::string question_id;
  std::string category;
  double reference = -1;  // the judge's points for GPT-4's answer
  double candidate = -1;
};

// float() of Python for what a judge may write.
std::optional<double> python_float(std::string_view text) {
  text = python_strip(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

Review read_review(JsonCursor& line) {
  Review review;
  std::string key;
  std::string content;
  bool has_scores = false;
  bool has_tuple = false;
  line.enter_object();
  while (line.next_key(key)) {
    if (key == "question_id") {
      line.text(review.question_id);
    } else if (key == "category") {
      line.string(review.category);
    } else if (key == "content") {
      line.string(content);
      has_scores = true;
    } else if ((key == "tuple" || key == "score") && line.peek() == JsonCursor::Kind::array) {
      std::vector<double> values;
      line.enter_array();
      while (line.next_item())
        values.push_back(line.number());
      if (values.size() != 2) line.fail_here("a tuple of two numbers before this");
      review.reference = values[0];
      review.candidate = values[1];
      has_scores = has_tuple = true;
    } else {
      line.skip();
    }
  }
  if (!has_scores) line.fail_here("a member \"tuple\" or \"content\" before the end");
  if (!has_tuple) {
    const ReviewPoints points = parse_review(content);
    review.reference = points.reference;
    review.candidate = points.candidate;
  }
  return review;
}

std::vector<Review> read_reviews(const fs::path& path) {
  std::vector<Review> reviews;
  read_jsonl(path, [&](JsonCursor& line, int64_t) { reviews.push_back(read_review(line)); });
  return reviews;
}

bool holds_reviews(const fs::path& path) {
  const std::string text = read_file(path);
  const std::string_view first = std::string_view(text).substr(0, text.find('\n'));
  return first.find("\"tuple\"") != std::string_view::npos;
}

std::vector<fs::path> review_files(const DataFolder& data, const Answers& answers) {
  if (answers.form == AnswerForm::judged) return {answers.source};
  std::vector<fs::path> files;
  for (const fs::path& path : data.all("*.jsonl")) {
    if (holds_reviews(path)) files.push_back(path);
  }
  return files;
}

// Means of the two columns, each rounded to three decimals as summarize_gpt_review.py does.
struct Means {
  double reference = 0;
  double candidate = 0;

  static Means of(std::span<const double> sums, double count) {
    if (sums.empty()) return {};
    return {python_round(sums[0] / count, 3), python_round(sums[1] / count, 3)};
  }

  double ratio() const { return reference > 0 ? candidate / reference * 100 : 0; }
};

Stratum stratum_of(std::span<const Review> reviews) {
  Stratum stratum;
  for (const Review& review : reviews)
    stratum.add({review.reference, review.candidate});
  return stratum;
}

// Ratio, and the two means times ten, of some reviews.
void report_group(const std::string& name, std::span<const Review> reviews, Score& score) {
  const Stratum stratum = stratum_of(reviews);
  const auto count = static_cast<double>(reviews.size());
  using Sums = std::span<const std::vector<double>>;
  const auto add = [&](const std::string& figure, auto&& formula) {
    Metric& metric = score.add(name + figure, {.strata = {stratum}, .formula = formula});
    metric.value = python_round(metric.value, 1);
    metric.shown = fixed(metric.value, 1);
  };
  add("", [count](Sums sums) { return Means::of(sums[0], count).ratio(); });
  add(": reference", [count](Sums sums) { return Means::of(sums[0], count).reference * 10; });
  add(": candidate", [count](Sums sums) { return Means::of(sums[0], count).candidate * 10; });
}

void report_file(const std::string& prefix, std::span<const Review> reviews, Score& score) {
  report_group(prefix + "all", reviews, score);
  std::map<std::string, std::vector<Review>> by_category;
  for (const Review& review : reviews) {
    if (!review.category.empty()) by_category[review.category].push_back(review);
  }
  for (const auto& [category, members] : by_category)
    report_group(prefix + category, members, score);
}

// The mean over several files of reviews, as LLaVA's model zoo reports it.
void report_mean(std::span<const std::vector<Review>> files, Score& score) {
  Statistic statistic;
  std::vector<double> counts;
  for (const std::vector<Review>& reviews : files) {
    statistic.strata.push_back(stratum_of(reviews));
    counts.push_back(static_cast<double>(reviews.size()));
  }
  statistic.formula = [counts](std::span<const std::vector<double>> sums) {
    double total = 0;
    for (size_t i = 0; i < sums.size(); ++i)
      total += python_round(Means::of(sums[i], counts[i]).ratio(), 1);
    return total / static_cast<double>(sums.size());
  };
  Metric& metric = score.add("mean of reviews", statistic);
  metric.shown = fixed(metric.value, 1);
}

void add_items(const std::vector<Review>& reviews, const std::string& source, Score& score) {
  constexpr double kMost = 10;
  for (const Review& review : reviews) {
    const bool is_parsed = review.candidate >= 0;
    score.items.push_back(
        {.id = review.question_id,
         .category = review.category,
         .parsed = fmt::format("{} {}", review.reference, review.candidate),
         .gold = source,
         .score = is_parsed ? review.candidate / kMost : 0,
         .outcome = is_parsed ? outcome_of(review.candidate / kMost) : Outcome::unparsed});
  }
}

}  // namespace

ReviewPoints parse_review(std::string_view content) {
  const std::string line = replace_all(content.substr(0, content.find('\n')), ",", " ");
  const auto words = split(line, " ");
  if (words.size() != 2) return {};
  const auto reference = python_float(words[0]);
  const auto candidate = python_float(words[1]);
  if (!reference || !candidate) return {};
  return {*reference, *candidate};
}

std::vector<Question> questions(const DataFolder& data) {
  return read_llava_questions(data.require("the questions", {"questions.jsonl"}));
}

Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& /*options*/) {
  const std::vector<fs::path> paths = review_files(data, answers);
  if (paths.empty()) {
    return score_on_server("llava-bench", answers,
                           "a judge; then score the file of its reviews as --answers");
  }
  Score score;
  score.task = "llava-bench";
  std::vector<std::vector<Review>> files;
  for (const fs::path& path : paths) {
    files.push_back(read_reviews(path));
    if (files.back().empty()) fail(ErrorCode::invalid_data, "{}: expected reviews", path.string());
    add_items(files.back(), path.filename().string(), score);
  }
  if (files.size() > 1) report_mean(files, score);
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string prefix = files.size() > 1 ? paths[i].stem().string() + ": " : "";
    report_file(prefix, files[i], score);
  }
  return score;
}

}  // namespace vila::eval::llava_bench
