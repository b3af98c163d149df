// SPDX-License-Identifier: Apache-2.0
#include "data/mixture.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace vila::data {
namespace {

int64_t rows_per_epoch(const MixturePart& part) {
  if (!std::isfinite(part.repeat) || part.repeat < 0) {
    fail(ErrorCode::invalid_argument, "{}: repeat: expected a number of at least 0, found {}",
         part.dataset->path().string(), part.repeat);
  }
  return std::llround(static_cast<double>(part.dataset->size()) * part.repeat);
}

std::vector<int64_t> shuffled_rows(int64_t size, uint64_t seed, uint64_t stream) {
  std::vector<int64_t> rows(static_cast<size_t>(size));
  std::iota(rows.begin(), rows.end(), 0);
  Random random(seed, stream);
  shuffle(rows, random);
  return rows;
}

}  // namespace

std::vector<int32_t> spread_evenly(std::span<const int64_t> counts) {
  std::vector<int32_t> by_size(counts.size());
  std::iota(by_size.begin(), by_size.end(), 0);
  std::ranges::stable_sort(by_size, std::greater<>{},
                           [&](int32_t set) { return counts[static_cast<size_t>(set)]; });
  constexpr int32_t kFree = -1;
  std::vector<int32_t> slots(
      static_cast<size_t>(std::accumulate(counts.begin(), counts.end(), int64_t{0})), kFree);
  std::vector<int64_t> free(slots.size());
  std::iota(free.begin(), free.end(), 0);
  for (const int32_t set : by_size) {
    const int64_t count = counts[static_cast<size_t>(set)];
    const auto open = static_cast<int64_t>(free.size());
    for (int64_t k = 0; k < count; ++k) {
      slots[static_cast<size_t>(free[static_cast<size_t>(k * open / count)])] = set;
    }
    std::erase_if(free, [&](int64_t slot) { return slots[static_cast<size_t>(slot)] != kFree; });
  }
  return slots;
}

Mixture::Mixture(std::vector<MixturePart> parts, uint64_t seed)
    : parts_(std::move(parts)), seed_(seed) {
  for (const MixturePart& part : parts_)
    counts_.push_back(rows_per_epoch(part));
  slots_ = spread_evenly(counts_);
  size_ = static_cast<int64_t>(slots_.size());
  if (size_ == 0) {
    fail(ErrorCode::invalid_argument, "mixture: expected rows, found none in {} data sets",
         parts_.size());
  }
}

Mixture::Item Mixture::item(int64_t position) const {
  VILA_CHECK(position >= 0, "position {}", position);
  return (*epoch_order(position / size_))[static_cast<size_t>(position % size_)];
}

Sample Mixture::at(int64_t position) const {
  const Item found = item(position);
  const Dataset& dataset = *parts_[static_cast<size_t>(found.part)].dataset;
  Sample sample = dataset.at(found.row);
  const int64_t placeholders = count_placeholders(sample);
  const auto images = static_cast<int64_t>(sample.images.size());
  if (placeholders != images) {
    fail(ErrorCode::invalid_data, "{}: expected as many \"<image>\" as pictures, found {} and {}",
         dataset.place(found.row).name(), placeholders, images);
  }
  return sample;
}

std::shared_ptr<const Mixture::Order> Mixture::epoch_order(int64_t epoch) const {
  const std::lock_guard lock(mutex_);
  if (cached_epoch_ != epoch) {
    order_ = std::make_shared<const Order>(make_order(epoch));
    cached_epoch_ = epoch;
  }
  return order_;
}

Mixture::Order Mixture::make_order(int64_t epoch) const {
  std::vector<std::vector<int64_t>> rows;
  for (size_t part = 0; part < parts_.size(); ++part)
    rows.push_back(rows_of_epoch(part, epoch));
  std::vector<size_t> taken(parts_.size(), 0);
  Order order;
  order.reserve(slots_.size());
  for (const int32_t slot : slots_) {
    const auto part = static_cast<size_t>(slot);
    order.push_back({slot, rows[part][taken[part]++]});
  }
  return order;
}

std::vector<int64_t> Mixture::rows_of_epoch(size_t part, int64_t epoch) const {
  const int64_t size = parts_[part].dataset->size();
  const int64_t end = (epoch + 1) * counts_[part];
  std::vector<int64_t> rows;
  for (int64_t at = epoch * counts_[part]; at < end;) {
    const int64_t pass = at / size;
    const auto order = shuffled_rows(size, seed_ + static_cast<uint64_t>(pass), part);
    const int64_t begin = at % size;
    const int64_t take = std::min(size - begin, end - at);
    rows.insert(rows.end(), order.begin() + begin, order.begin() + begin + take);
    at += take;
  }
  return rows;
}

}  // namespace vila::data
