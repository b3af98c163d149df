// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

namespace vila::data {

/// The first 128 bits of SHA-256: equal content has equal fingerprints, and different content does
/// not within any data set one can build. A value, ordered.
struct Fingerprint {
  std::array<uint64_t, 2> words{};
  friend auto operator<=>(const Fingerprint&, const Fingerprint&) = default;
};

/// The fingerprint of some bytes.
Fingerprint fingerprint(std::string_view bytes);

}  // namespace vila::data
