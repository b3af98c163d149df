// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>

#include "formats/gguf.h"
#include "formats/quantised_matrix.h"
#include "formats/small_files.h"
#include "formats/weight_file.h"

namespace vila::formats {

/// A language model as a folder of transformers holds it: tensors by their names there
/// ("model.layers.0.self_attn.q_proj.weight"), and its small files by name (config.json,
/// tokenizer.json or tokenizer.model, tokenizer_config.json). A value.
struct TextModel {
  TensorMap tensors;
  QuantisedMap quantised{};
  SmallFiles files;
};

/// A GGUF file of the architecture llama or qwen2: names and shapes of transformers, the rows of
/// llama's q and k back in the order of "rotate half", the config from the metadata, the tokenizer
/// as gguf_tokenizer.h says. Matrices of blocks are `quantised` (gguf_matrix.h).
/// @throws Error{invalid_model} naming file, and the key or tensor that is missing or unknown.
/// Source: convert_hf_to_gguf.py and gguf-py/gguf/tensor_mapping.py of ggml-org/llama.cpp.
TextModel import_gguf(const GgufFile& file);

/// The reverse of floats, for llama.cpp to load: matrices keep f16 and bf16 (f32 else) or are
/// rounded to `blocks`, vectors become f32. With blocks of 4 bits the embedding and output matrices
/// get Q8_0; a matrix whose rows are no whole blocks stays as it is.
/// @throws Error{invalid_model} when the model has tensors or a config that GGUF's llama and qwen2
/// do not know (a vision tower, say); Error{insufficient_disk | failed}.
void export_gguf(const std::filesystem::path& path, const TextModel& model,
                 std::optional<GgmlType> blocks = std::nullopt);

}  // namespace vila::formats
