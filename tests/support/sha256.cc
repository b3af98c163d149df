// SPDX-License-Identifier: Apache-2.0
#include "support/sha256.h"

#include <array>

#include <openssl/evp.h>

#include "base/error.h"

namespace vila::test {

std::string sha256_hex(std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const int ok =
      EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  VILA_CHECK(ok == 1 && size == 32);
  std::string text;
  for (unsigned int i = 0; i < size; ++i)
    text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace vila::test
