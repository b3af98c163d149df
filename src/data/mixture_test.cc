// SPDX-License-Identifier: Apache-2.0
#include "data/mixture.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::data {
namespace {

using test::expect_error;
using test::TemporaryFolder;

using Order = std::vector<Mixture::Item>;

/// `rows` rows, the row's number as text.
class Numbers final : public Dataset {
 public:
  explicit Numbers(int64_t rows) : rows_(rows) {}

  int64_t size() const override { return rows_; }

  Sample at(int64_t row) const override {
    Sample sample;
    sample.text = std::to_string(row);
    return sample;
  }

  std::string_view raw(int64_t) const override { return {}; }

  RowPlace place(int64_t row) const override { return {path_, row, row + 1}; }

  const std::filesystem::path& path() const override { return path_; }

  Kind kind() const override { return Kind::text; }

 private:
  int64_t rows_;
  std::filesystem::path path_ = "numbers";
};

Mixture mixture_of(const std::vector<std::pair<int64_t, double>>& sets, uint64_t seed) {
  std::vector<MixturePart> parts;
  for (const auto& [rows, repeat] : sets)
    parts.push_back({std::make_shared<Numbers>(rows), repeat});
  return Mixture(std::move(parts), seed);
}

Order epoch_of(const Mixture& mixture, int64_t epoch) {
  Order order;
  for (int64_t k = 0; k < mixture.size(); ++k)
    order.push_back(mixture.item(epoch * mixture.size() + k));
  return order;
}

// By hand: 9 slots. The set of 4 takes floor(k*9/4) = 0 2 4 6; free are 1 3 5 7 8. The set of 3
// takes the free ones number floor(k*5/3) = 0 1 3: slots 1 3 7. The set of 2 takes what is left, 5
// and 8.
TEST(Mixture, SpreadsSetsEvenlyFromTheLargestToTheSmallest) {
  const std::vector<int64_t> counts = {2, 4, 3};
  EXPECT_EQ(spread_evenly(counts), (std::vector<int32_t>{1, 2, 1, 2, 1, 0, 1, 2, 0}));
}

TEST(Mixture, TakesOfEqualSetsTheFirstListedFirst) {
  const std::vector<int64_t> counts = {3, 0, 3};
  EXPECT_EQ(spread_evenly(counts), (std::vector<int32_t>{0, 2, 0, 2, 0, 2}));
}

// Oracle: a separate Python implementation of Philox 4x32-10, Fisher-Yates and the even spread, for
// sets of 5, 4 and 3 rows repeated 1, 0.5 and 2 times, seed 42, epochs 0 and 1.
TEST(Mixture, GivesTheOrderOfAnIndependentImplementation) {
  const Mixture mixture = mixture_of({{5, 1.0}, {4, 0.5}, {3, 2.0}}, 42);
  EXPECT_EQ(epoch_of(mixture, 0), (Order{{2, 2},
                                         {0, 2},
                                         {2, 1},
                                         {0, 1},
                                         {2, 0},
                                         {0, 0},
                                         {2, 0},
                                         {1, 2},
                                         {2, 1},
                                         {0, 3},
                                         {2, 2},
                                         {0, 4},
                                         {1, 0}}));
  EXPECT_EQ(epoch_of(mixture, 1), (Order{{2, 2},
                                         {0, 1},
                                         {2, 0},
                                         {0, 4},
                                         {2, 1},
                                         {0, 3},
                                         {2, 1},
                                         {1, 1},
                                         {2, 2},
                                         {0, 2},
                                         {2, 0},
                                         {0, 0},
                                         {1, 3}}));
}

TEST(Mixture, IsAPureFunctionOfThePosition) {
  const Mixture first = mixture_of({{50, 1.0}, {20, 2.0}}, 7);
  const Mixture second = mixture_of({{50, 1.0}, {20, 2.0}}, 7);
  const Order forward = epoch_of(first, 3);
  for (int64_t k = first.size() - 1; k >= 0; --k) {
    EXPECT_EQ(second.item(3 * second.size() + k), forward[static_cast<size_t>(k)]);
  }
  EXPECT_NE(epoch_of(first, 0), epoch_of(first, 1));
  EXPECT_NE(epoch_of(mixture_of({{50, 1.0}, {20, 2.0}}, 8), 3), forward);
}

TEST(Mixture, TakesEachRowAsOftenAsRepeatSays) {
  const Mixture mixture = mixture_of({{100, 1.0}, {40, 0.25}, {30, 1.5}}, 1);
  std::map<std::pair<int64_t, int64_t>, int> times;
  for (int64_t k = 0; k < 4 * mixture.size(); ++k) {
    const Mixture::Item item = mixture.item(k);
    ++times[{item.part, item.row}];
  }
  EXPECT_EQ(mixture.size(), 100 + 10 + 45);
  EXPECT_EQ(times.size(), 170u);
  for (const auto& [row, count] : times) {
    const int expected = row.first == 0 ? 4 : row.first == 1 ? 1 : 6;
    EXPECT_EQ(count, expected) << "set " << row.first << " row " << row.second;
  }
}

TEST(Mixture, RefusesWhatHasNoRowsOrNoSenseAsARepeat) {
  const double kNan = std::numeric_limits<double>::quiet_NaN();
  expect_error(ErrorCode::invalid_argument, "expected rows", [] { mixture_of({}, 1); });
  expect_error(ErrorCode::invalid_argument, "expected rows", [] { mixture_of({{0, 1.0}}, 1); });
  expect_error(ErrorCode::invalid_argument, "repeat", [] { mixture_of({{3, -1.0}}, 1); });
  expect_error(ErrorCode::invalid_argument, "repeat", [&] { mixture_of({{3, kNan}}, 1); });
}

TEST(Mixture, NamesTheRowWhosePicturesAndPlaceholdersDiffer) {
  const TemporaryFolder folder;
  const auto file = folder.write("a.json", R"([{"image": ["a.png", "b.png"], "conversations":
      [{"from": "human", "value": "<image> what?"}]}])");
  const Mixture mixture({{open_dataset(file, Kind::conversations), 1.0}}, 0);
  expect_error(ErrorCode::invalid_data, "a.json:1 (row 0): expected as many",
               [&] { mixture.at(0); });
}

}  // namespace
}  // namespace vila::data
