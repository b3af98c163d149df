// SPDX-License-Identifier: Apache-2.0
#include "cli/sha256.h"

#include <array>

#include <fmt/format.h>
#include <openssl/sha.h>

namespace vila::cli {

std::string sha256_hex(std::span<const uint8_t> bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(bytes.data(), bytes.size(), digest.data());
  std::string hex;
  for (const unsigned char byte : digest)
    hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace vila::cli
