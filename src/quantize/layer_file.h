// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "quantize/layer.h"

namespace vila::quantize {

/// Keeps a finished layer, so that a run that was stopped goes on behind it. The file appears only
/// when complete.
/// @param fingerprint  of all that the layer depends on; not empty.
/// @throws Error{insufficient_disk | failed}
void write_layer(const std::filesystem::path& path, const LayerResult& layer,
                 const std::string& fingerprint);

/// Reads it back, bit for bit; tensors are views of the mapped file. An empty fingerprint is not
/// compared.
/// @throws Error{invalid_argument} when the fingerprint is another one; Error{invalid_model} for a
/// damaged file; Error{not_found}.
LayerResult read_layer(const std::filesystem::path& path, const std::string& fingerprint);

/// 64 bits that depend on every byte, as 16 hexadecimal digits. Tells changes, not attacks.
std::string digest(const Tensor& tensor);

}  // namespace vila::quantize
