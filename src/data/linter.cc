// SPDX-License-Identifier: Apache-2.0
#include "data/linter.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "data/fingerprint.h"
#include "data/held_out.h"
#include "data/row_rules.h"

namespace vila::data {
namespace {

/// What is kept of a row after it was read.
struct RowRecord {
  bool is_readable = false;
  Fingerprint text;
  std::vector<ImageSource> images;  // until they are numbered
  std::vector<int64_t> pictures;    // numbers in the census
  std::vector<std::pair<Rule, std::string>> faults;
};

class RowReader {
 public:
  RowReader(const CheckOptions& options, const HeldOutConcepts& held_out)
      : options_(options), held_out_(held_out) {}

  RowRecord read(const CheckSet& set, int64_t row) const {
    RowRecord record;
    if (!is_valid_utf8(set.dataset->raw(row))) {
      record.faults.emplace_back(Rule::bad_utf8, "expected UTF-8, found malformed bytes");
      return record;
    }
    Sample sample;
    try {
      sample = set.dataset->at(row);
    } catch (const Error& error) {
      record.faults.emplace_back(Rule::bad_row, error.what());
      return record;
    }
    record.is_readable = true;
    apply_rules(sample, set.split, record);
    record.text = fingerprint(text_of(sample));
    record.images = std::move(sample.images);
    return record;
  }

 private:
  void apply_rules(const Sample& sample, Split split, RowRecord& record) const {
    const Report report = [&](Rule rule, std::string found) {
      record.faults.emplace_back(rule, std::move(found));
    };
    check_sample(sample, report);
    const bool has_turns_to_render = std::ranges::none_of(record.faults, [](const auto& fault) {
      return fault.first == Rule::role_order || fault.first == Rule::empty_turn;
    });
    if (has_turns_to_render) check_length(sample, report);
    if (split == Split::train) check_concepts(sample, report);
  }

  void check_length(const Sample& sample, const Report& report) const {
    if (options_.labels.tokenizer == nullptr || options_.max_length == 0) return;
    const int64_t length =
        spliced_length(label_sample(sample, options_.labels), options_.labels.tokens_per_image);
    if (length > options_.max_length) {
      report(Rule::too_long, fmt::format("expected at most {} rows, found {} ({} pictures of {})",
                                         options_.max_length, length, sample.images.size(),
                                         options_.labels.tokens_per_image));
    }
  }

  void check_concepts(const Sample& sample, const Report& report) const {
    if (held_out_.contains(sample.label)) {
      report(Rule::leaked_concept, fmt::format("concept \"{}\" is held out", sample.label));
    } else if (const auto name = held_out_.mentioned_in(text_of(sample))) {
      report(Rule::held_out_mention,
             fmt::format("\"{}\" is held out, found in \"{}\"", *name, shorten(text_of(sample))));
    }
  }

  const CheckOptions& options_;
  const HeldOutConcepts& held_out_;
};

class Linter {
 public:
  Linter(std::span<const CheckSet> sets, const CheckOptions& options)
      : sets_(sets), options_(options), pool_(options.threads) {}

  CheckReport run() {
    const HeldOutConcepts held_out = HeldOutConcepts::load(options_.held_out);
    for (const CheckSet& set : sets_)
      read_set(set, RowReader(options_, held_out));
    census_.inspect(options_.pictures, pool_);
    find_bad_pictures();
    find_equal_pictures();
    find_equal_rows();
    sort_findings(report_.findings);
    report_.pictures = census_.size();
    return std::move(report_);
  }

 private:
  using Place = std::pair<size_t, int64_t>;  // number of the set, row

  void read_set(const CheckSet& set, const RowReader& reader) {
    const int64_t rows = set.dataset->size();
    std::vector<RowRecord> records(static_cast<size_t>(rows));
    pool_.parallel_for(rows, 16, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        records[static_cast<size_t>(row)] = reader.read(set, row);
      }
    });
    const size_t number = records_.size();
    for (int64_t row = 0; row < rows; ++row) {
      RowRecord& record = records[static_cast<size_t>(row)];
      for (auto& [rule, found] : record.faults)
        add({number, row}, rule, std::move(found));
      for (const ImageSource& image : record.images)
        record.pictures.push_back(census_.add(image));
      record.faults = {};
      record.images = {};
    }
    records_.push_back(std::move(records));
    report_.rows += rows;
  }

  void find_bad_pictures() {
    each_picture([&](Place place, int64_t picture) {
      const PictureState& state = census_.state(picture);
      if (state.fault == PictureState::Fault::none) return;
      const bool missing = state.fault == PictureState::Fault::missing;
      add(place, missing ? Rule::missing_image : Rule::broken_image, state.reason);
    });
  }

  /// Each picture is judged once, at the first row that shows it.
  void find_equal_pictures() {
    std::map<std::pair<Split, Fingerprint>, Place> first_place;
    std::map<std::pair<Split, int64_t>, bool> is_seen;
    each_picture([&](Place place, int64_t picture) {
      const Split split = sets_[place.first].split;
      if (std::exchange(is_seen[{split, picture}], true)) return;
      const Fingerprint identity = identity_of(picture);
      const auto [first, is_new] = first_place.try_emplace({split, identity}, place);
      if (!is_new) {
        add(place, Rule::duplicate_picture,
            fmt::format("{}: the same bytes as in {}", census_.source(picture).name(),
                        name_of(first->second)));
      }
    });
    is_seen.clear();
    each_picture([&](Place place, int64_t picture) {
      if (sets_[place.first].split != Split::validation) return;
      if (std::exchange(is_seen[{Split::validation, picture}], true)) return;
      const auto found = first_place.find({Split::train, identity_of(picture)});
      if (found == first_place.end()) return;
      add(place, Rule::leaked_picture,
          fmt::format("{}: also in training, {}", census_.source(picture).name(),
                      name_of(found->second)));
    });
  }

  void find_equal_rows() {
    std::map<std::pair<Split, Fingerprint>, Place> first_place;
    each_row([&](Place place, const RowRecord& record) {
      const auto [first, is_new] =
          first_place.try_emplace({sets_[place.first].split, identity_of(record)}, place);
      if (!is_new) {
        add(place, Rule::duplicate_row, "the same as " + name_of(first->second));
      }
    });
    each_row([&](Place place, const RowRecord& record) {
      if (sets_[place.first].split != Split::validation) return;
      const auto found = first_place.find({Split::train, identity_of(record)});
      if (found != first_place.end()) {
        add(place, Rule::leaked_row, "also in training, " + name_of(found->second));
      }
    });
  }

  template <typename Visit>
  void each_row(const Visit& visit) const {
    for (size_t set = 0; set < records_.size(); ++set) {
      for (size_t row = 0; row < records_[set].size(); ++row) {
        const RowRecord& record = records_[set][row];
        if (record.is_readable) visit(Place{set, static_cast<int64_t>(row)}, record);
      }
    }
  }

  template <typename Visit>
  void each_picture(const Visit& visit) const {
    each_row([&](Place place, const RowRecord& record) {
      for (const int64_t picture : record.pictures)
        visit(place, picture);
    });
  }

  /// By bytes, or where they were not read by name.
  Fingerprint identity_of(int64_t picture) const {
    const PictureState& state = census_.state(picture);
    return state.is_read() ? state.content : fingerprint(census_.source(picture).name());
  }

  Fingerprint identity_of(const RowRecord& record) const {
    std::vector<Fingerprint> parts = {record.text};
    for (const int64_t picture : record.pictures)
      parts.push_back(identity_of(picture));
    return fingerprint(
        {reinterpret_cast<const char*>(parts.data()), parts.size() * sizeof(Fingerprint)});
  }

  std::string name_of(Place place) const {
    return sets_[place.first].dataset->place(place.second).name();
  }

  void add(Place place, Rule rule, std::string found) {
    report_.findings.push_back(
        {sets_[place.first].dataset->place(place.second), rule, std::move(found)});
  }

  std::span<const CheckSet> sets_;
  const CheckOptions& options_;
  ThreadPool pool_;
  std::vector<std::vector<RowRecord>> records_;  // [set][row]
  PictureCensus census_;
  CheckReport report_;
};

}  // namespace

CheckReport check_data(std::span<const CheckSet> sets, const CheckOptions& options) {
  return Linter(sets, options).run();
}

}  // namespace vila::data
