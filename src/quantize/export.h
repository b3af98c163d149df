// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "base/json.h"
#include "formats/model_package.h"
#include "quantize/layer.h"

namespace vila::quantize {

/// What a quantised model is written as.
enum class Target {
  awq,      // llm-awq: the language model as NAME-w4-gG-awq-v2.pt, all else as it was
  autoawq,  // AutoAWQ "gemm" in safetensors, config.json with quantization_config
  vila,     // one .vila file, packed as the kernels read it: loading is mapping
  floats,   // the values of the codes as f32: for study; any bits and groups
};

/// "awq", "autoawq", "vila", "floats"
const char* target_name(Target target) noexcept;

/// Whether every Linear of a model fits the target's layout; else why not, in words for a person.
/// Empty: it fits.
std::string unfit(Target target, const spec::DecoderConfig& config, const GridOptions& grid);

/// Name of the part of a package that holds the decoder: "" or "llm".
/// @throws Error{invalid_model} when none does.
std::string decoder_part(const formats::ModelPackage& package);

/// Puts the layers that quantise_model() has written in place of the Linears, norms and biases of
/// the package's decoder, and says so in its config where the target has words for it. For .vila
/// the codes are read again when they are written, one matrix at a time. Scales, norms, embeddings
/// and head become bf16 where the Linears were and the target allows it, else f16 (floats: f32).
/// @throws Error{invalid_model} naming a tensor that f16 cannot hold.
void replace_linears(formats::ModelPackage& package, std::span<const std::filesystem::path> layers,
                     Target target);

/// Makes the token table and, where it is untied, the output matrix 8 bits a row: packed in a .vila
/// file, values kept as floats (round_rows_8bit()) for study.
/// @throws Error{invalid_argument} for targets whose files hold no such matrix.
void round_head(formats::ModelPackage& package, Target target);

/// Makes llm-awq's v2 tensors of the packed Linears of a package's decoder; other packed matrices
/// (8 bits a row) become f16. Codes, zero points and offsets stay, scales are f16.
/// @return the group that scales are shared by.
/// @throws Error{invalid_model} when the decoder is not in 4 bits or a matrix does not fit the
///         layout.
int64_t repack_awq(formats::ModelPackage& package);

/// llm-awq's name of a file: "NAME-w4-gG-awq-v2.pt".
std::string awq_file_name(const std::string& name, int64_t group);

/// Writes the package as the target says: a folder or .vila file that appears when complete, or for
/// awq also one .pt file with the decoder alone, when the name of `path` ends so.
/// @param name  of the .pt file in a folder: NAME-w4-gG-awq-v2.pt.
/// @throws Error{invalid_argument} when something stands there; Error{insufficient_disk | failed}.
void write_quantised(const std::filesystem::path& path, const formats::ModelPackage& package,
                     Target target, const std::string& name);

}  // namespace vila::quantize
