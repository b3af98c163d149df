// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vila::test {

/// Lines of a text file compressed by xz (or gzip, zstd: libarchive tells), without their ends.
/// @throws Error{invalid_data} naming the path and libarchive's reason.
std::vector<std::string> read_xz_lines(const std::filesystem::path& path);

}  // namespace vila::test
