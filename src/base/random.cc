// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <cmath>
#include <numbers>

namespace vila {
namespace {

std::array<uint32_t, 4> philox(uint64_t counter, uint64_t stream, uint64_t seed) noexcept {
  std::array<uint32_t, 4> x = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                               static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
  auto k0 = static_cast<uint32_t>(seed);
  auto k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * x[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * x[2];
    x = {static_cast<uint32_t>(p1 >> 32) ^ x[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ x[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return x;
}

}  // namespace

uint32_t Random::next_u32() noexcept {
  if (position_ % 4 == 0) block_ = philox(position_ / 4, stream_, seed_);
  return block_[position_++ % 4];
}

uint64_t Random::next_u64() noexcept {
  const uint64_t high = next_u32();
  return (high << 32) | next_u32();
}

double Random::uniform() noexcept {
  return static_cast<double>(next_u64() >> 11) * 0x1p-53;
}

int64_t Random::below(int64_t bound) noexcept {
  const auto range = static_cast<uint64_t>(bound);
  const uint64_t reject_from = range * (UINT64_MAX / range);
  uint64_t draw = next_u64();
  while (draw >= reject_from)
    draw = next_u64();
  return static_cast<int64_t>(draw % range);
}

double Random::normal() noexcept {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

void Random::seek(uint64_t position) noexcept {
  position_ = position;
  if (position_ % 4 != 0) block_ = philox(position_ / 4, stream_, seed_);
}

}  // namespace vila
