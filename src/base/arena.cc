// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <algorithm>

#include "base/numeric.h"
#include "base/sanitizer.h"

namespace vila {
namespace {

constexpr size_t kMinBlock = size_t{1} << 20;

}  // namespace

Arena::Arena(size_t initial_bytes) {
  if (initial_bytes > 0) {
    blocks_.emplace_back(initial_bytes);
    poison(blocks_[0].data(), blocks_[0].size());
  }
}

Arena::~Arena() {
  for (AlignedBuffer& block : blocks_)
    unpoison(block.data(), block.size());
}

std::byte* Arena::allocate(size_t size) {
  const size_t need = std::max<size_t>(64, (size + 63) / 64 * 64);
  while (current_ < blocks_.size() && used_ + need > blocks_[current_].size()) {
    ++current_;
    used_ = 0;
  }
  if (current_ == blocks_.size()) {
    blocks_.emplace_back(std::max({need, kMinBlock, total_}));
    poison(blocks_.back().data(), blocks_.back().size());
    used_ = 0;
  }
  std::byte* result = blocks_[current_].data() + used_;
  unpoison(result, size);
  used_ += need;
  total_ += need;
  high_water_ = std::max(high_water_, total_);
  return result;
}

void Arena::rewind(const Mark& mark) noexcept {
  for (size_t i = mark.block; i < blocks_.size(); ++i) {
    const size_t keep = i == mark.block ? mark.used : 0;
    poison(blocks_[i].data() + keep, blocks_[i].size() - keep);
  }
  current_ = mark.block;
  used_ = mark.used;
  total_ = mark.total;
}

void Arena::reset() {
  rewind({});
  if (blocks_.size() <= 1) return;
  size_t sum = 0;
  for (AlignedBuffer& block : blocks_) {
    unpoison(block.data(), block.size());
    sum += block.size();
  }
  blocks_.clear();
  blocks_.emplace_back(sum);
  poison(blocks_[0].data(), sum);
}

}  // namespace vila
