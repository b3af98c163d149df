// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vila::data::nano {

/// What `package` (a Debian, npm or PyPI package) gives: `path`, when it exists.
/// @throws Error{not_found} that tells how to install the package.
std::filesystem::path require_debian(const std::filesystem::path& path, const std::string& package);

/// The text of `member` (e.g. "icons.json") of npm package `package` (e.g. "@iconify-json/noto")
/// below `folder`: from an unpacked folder `NAME`, `NAME/package` or
/// `node_modules/@iconify-json/noto`, or from a file `NAME-VERSION.tgz` as `npm pack` writes it;
/// NAME is the package's name with "@" dropped and "/" as "-".
/// @throws Error{not_found} naming the npm package.
std::string read_npm_member(const std::filesystem::path& folder, const std::string& package,
                            const std::string& member);

/// The decompressed bytes (gzip, compress, xz) of a file's bytes. @throws Error{invalid_data}
std::string decompress(const std::string& bytes, const std::string& source);

/// Regular files below `folder` whose names end in `suffix`, sorted by path.
std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder,
                                               const std::string& suffix);

}  // namespace vila::data::nano
