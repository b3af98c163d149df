// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace vila::test {

/// Files of a (compressed) tar archive: content by path.
/// @throws Error{invalid_data} naming the archive and libarchive's reason.
std::map<std::string, std::string> unpack(const std::filesystem::path& archive_file);

}  // namespace vila::test
