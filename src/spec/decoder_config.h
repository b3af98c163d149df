// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "spec/config.h"

namespace vila::spec {

/// The decoder alone: config.json of the folder that it stands in, whatever else that names.
/// @throws Error{invalid_config | not_found}
DecoderConfig read_decoder_config(const std::filesystem::path& folder);

}  // namespace vila::spec
