// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/file.h"
#include "tensor/tensor.h"

namespace vila::formats {

/// Mapped files, kept alive.
using FileMaps = std::vector<std::shared_ptr<const MappedFile>>;

/// Takes the pages that lie wholly in `part` out of this process's memory; they are read again when
/// they are touched. For what has been made into another form: both would stay in memory otherwise.
/// @pre `part` is of a mapped file: memory of another kind would lose what it holds
void release_pages(std::span<const std::byte> part);

/// The same of a tensor, where it is a view of one of `files`; nothing where it is not.
void release_pages(const Tensor& tensor, const FileMaps& files);

}  // namespace vila::formats
