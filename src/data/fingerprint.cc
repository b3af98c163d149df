// SPDX-License-Identifier: Apache-2.0
#include "data/fingerprint.h"

#include <cstring>

#include <openssl/evp.h>

#include "base/error.h"

namespace vila::data {

Fingerprint fingerprint(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  const int done =
      EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  VILA_CHECK(done == 1, "EVP_Digest");
  Fingerprint result;
  std::memcpy(result.words.data(), digest.data(), sizeof(result.words));
  return result;
}

}  // namespace vila::data
