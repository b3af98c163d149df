// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <utility>

namespace vila::test {

/// How build_zip() writes.
struct ZipForm {
  bool is_zip64 = false;        // sizes and offsets in 64-bit fields, as for files beyond 4 GiB
  bool has_checksums = true;    // else 0 is recorded, as PyTorch does when told so
  bool is_aligned = true;       // contents start at multiples of 64, as PyTorch writes them
  bool claims_deflate = false;  // members say that they are compressed
};

/// The bytes of a zip file with these members (name, content), stored, in this order.
std::string build_zip(std::span<const std::pair<std::string, std::string>> members,
                      const ZipForm& form = {});

}  // namespace vila::test
