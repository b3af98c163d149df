// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "formats/model_package.h"

namespace vila::formats {

/// Whether the first bytes are those of a .vila file.
bool looks_like_vila(std::span<const std::byte> file) noexcept;

/// Maps a .vila file: one file that holds a whole model. Tensors are views of the map. The header's
/// and all small files' checksums are compared, those of the tensors in files of up to 256 MiB (and
/// by check_vila()).
/// @throws Error{invalid_model} naming file and member; Error{not_found}. See docs/formats.md.
ModelPackage read_vila(const std::filesystem::path& path);

/// Compares every checksum. @throws as read_vila().
void check_vila(const std::filesystem::path& path);

/// Writes a file that appears only when complete; each member starts at a multiple of 64 bytes.
/// @throws Error{insufficient_disk | failed}
void write_vila(const std::filesystem::path& path, const ModelPackage& package);

}  // namespace vila::formats
