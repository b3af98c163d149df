// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace vila {

/// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11): the same
/// numbers on every machine, and a state of three integers that a checkpoint can hold. A value.
class Random {
 public:
  explicit Random(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  uint32_t next_u32() noexcept;
  uint64_t next_u64() noexcept;

  /// Uniform in [0, 1).
  double uniform() noexcept;
  /// Uniform in [0, bound), unbiased. @pre bound > 0
  int64_t below(int64_t bound) noexcept;
  /// Standard normal (Box-Muller, one value per two draws).
  double normal() noexcept;

  /// Number of 32-bit draws so far, and going on from there: what resuming needs.
  uint64_t position() const noexcept { return position_; }

  void seek(uint64_t position) noexcept;

 private:
  uint64_t seed_;
  uint64_t stream_;
  uint64_t position_ = 0;
  std::array<uint32_t, 4> block_{};
};

/// Fisher-Yates in place, by `random`.
template <typename Range>
void shuffle(Range& range, Random& random) {
  for (auto i = static_cast<int64_t>(range.size()) - 1; i > 0; --i) {
    using std::swap;
    swap(range[static_cast<size_t>(i)], range[static_cast<size_t>(random.below(i + 1))]);
  }
}

}  // namespace vila
