// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "media/image_processor.h"

namespace vila::cli {

/// The preparation of a known tower by name, e.g. "pad-clip336".
/// @throws Error{invalid_argument} listing the names.
media::ProcessorConfig picture_mode(const std::string& name);

/// All names, separated by commas.
std::string picture_mode_names();

}  // namespace vila::cli
