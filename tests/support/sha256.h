// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace vila::test {

/// SHA-256 as 64 lower-case hex digits (OpenSSL's libcrypto).
std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace vila::test
