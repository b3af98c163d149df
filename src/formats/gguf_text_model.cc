// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_text_model.h"

#include <array>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "formats/gguf_config.h"
#include "formats/gguf_matrix.h"
#include "formats/gguf_tokenizer.h"

namespace vila::formats {
namespace {

struct NamePair {
  std::string_view gguf;
  std::string_view ours;
};

constexpr std::array<NamePair, 3> kGlobalNames = {
    {{"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}}};

constexpr std::array<NamePair, 9> kLayerNames = {{{"attn_norm", "input_layernorm"},
                                                  {"attn_q", "self_attn.q_proj"},
                                                  {"attn_k", "self_attn.k_proj"},
                                                  {"attn_v", "self_attn.v_proj"},
                                                  {"attn_output", "self_attn.o_proj"},
                                                  {"ffn_norm", "post_attention_layernorm"},
                                                  {"ffn_gate", "mlp.gate_proj"},
                                                  {"ffn_up", "mlp.up_proj"},
                                                  {"ffn_down", "mlp.down_proj"}}};

constexpr std::string_view kLayerPrefix = "model.layers.";
constexpr std::string_view kBlockPrefix = "blk.";
constexpr int64_t kFileTypeF32 = 0;
constexpr int64_t kFileTypeF16 = 1;
constexpr int64_t kFileTypeBf16 = 32;
constexpr int64_t kFileTypeQ40 = 2;
constexpr int64_t kFileTypeQ41 = 3;
constexpr int64_t kFileTypeQ8 = 7;
constexpr int64_t kQuantisationVersion = 2;
constexpr int64_t kQuantisedBlock = 32;

/// "name.weight" or "name.bias" cut in two.
struct Split {
  std::string_view stem;
  std::string_view suffix;
};

Split split_suffix(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == name.npos) return {name, ""};
  return {name.substr(0, dot), name.substr(dot)};
}

/// The name in the other convention; nothing when it is unknown. `from` and `to` are members of
/// NamePair, `prefixes` those of a layer's tensors.
std::optional<std::string> translate(std::string_view name, std::string_view NamePair::*from,
                                     std::string_view NamePair::*to, const NamePair& prefixes) {
  const auto [stem, suffix] = split_suffix(name);
  if (suffix != ".weight" && suffix != ".bias") return std::nullopt;
  for (const NamePair& pair : kGlobalNames) {
    if (pair.*from == stem) return fmt::format("{}{}", pair.*to, suffix);
  }
  if (!stem.starts_with(prefixes.*from)) return std::nullopt;
  const std::string_view rest = stem.substr((prefixes.*from).size());
  const size_t dot = rest.find('.');
  if (dot == 0 || dot == rest.npos || rest.find_first_not_of("0123456789") != dot) {
    return std::nullopt;
  }
  for (const NamePair& pair : kLayerNames) {
    if (pair.*from == rest.substr(dot + 1)) {
      return fmt::format("{}{}.{}{}", prefixes.*to, rest.substr(0, dot), pair.*to, suffix);
    }
  }
  return std::nullopt;
}

constexpr NamePair kPrefixes = {kBlockPrefix, kLayerPrefix};

std::optional<std::string> name_of_gguf(std::string_view name) {
  return translate(name, &NamePair::gguf, &NamePair::ours, kPrefixes);
}

std::optional<std::string> name_for_gguf(std::string_view name) {
  return translate(name, &NamePair::ours, &NamePair::gguf, kPrefixes);
}

/// How many heads the rows of a tensor are, if rotary positions turn them; else 0.
int64_t rotated_heads(std::string_view name, int64_t heads, int64_t kv_heads) {
  if (name.find(".self_attn.q_proj.") != name.npos) return heads;
  if (name.find(".self_attn.k_proj.") != name.npos) return kv_heads;
  return 0;
}

/// Rotary positions turn rows i and i + half of a head in transformers, rows 2i and 2i + 1 in
/// llama.cpp. @throws Error{invalid_model} naming `where` when the rows are not of such heads.
RowOrder row_order(int64_t heads, int64_t rows, const std::string& where) {
  if (heads <= 0 || rows % (2 * heads) != 0) {
    fail(ErrorCode::invalid_model, "{}: expected rows of {} heads of even size, found {} rows",
         where, heads, rows);
  }
  return {heads};
}

/// An owning copy with the rows in the other convention's order.
Tensor reorder_rows(const Tensor& tensor, const RowOrder& order, bool to_gguf) {
  const int64_t rows = tensor.dim(0);
  const size_t bytes = tensor.nbytes() / static_cast<size_t>(rows);
  Tensor result = Tensor::empty(tensor.dtype(), tensor.shape());
  const auto* source = static_cast<const std::byte*>(tensor.raw());
  auto* target = static_cast<std::byte*>(result.raw());
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t paired = order.source(row, rows);
    const auto from = static_cast<size_t>(to_gguf ? row : paired);
    const auto to = static_cast<size_t>(to_gguf ? paired : row);
    std::memcpy(target + to * bytes, source + from * bytes, bytes);
  }
  return result;
}

/// The blocks that a tensor is written in; none for what is no matrix of whole ones.
std::optional<GgmlType> blocks_of(const GgufRow& row, std::optional<GgmlType> wanted) {
  if (!wanted || row.tensor.rank() != 2 || row.tensor.dim(1) % kQuantisedBlock != 0)
    return std::nullopt;
  const bool is_outer = row.name == "token_embd.weight" || row.name == "output.weight";
  return is_outer ? GgmlType::q8_0 : wanted;
}

/// llama.cpp's number of what most of a file is.
int64_t block_file_type(GgmlType blocks) {
  if (blocks == GgmlType::q8_0) return kFileTypeQ8;
  return blocks == GgmlType::q4_0 ? kFileTypeQ40 : kFileTypeQ41;
}

int64_t file_type(const std::vector<GgufRow>& rows) {
  for (const GgufRow& row : rows) {
    if (row.tensor.rank() != 2) continue;
    if (row.tensor.dtype() == DType::f16) return kFileTypeF16;
    if (row.tensor.dtype() == DType::bf16) return kFileTypeBf16;
  }
  return kFileTypeF32;
}

GgufRow row_for(const std::string& name, const Tensor& tensor, const GgufConfig& config) {
  const auto gguf_name = name_for_gguf(name);
  if (!gguf_name || !is_weight_dtype(tensor.dtype())) {
    fail(ErrorCode::invalid_model,
         "GGUF: expected a plain language model, found \"{}\" {}; of a model that sees, convert "
         "the language model's own folder",
         name, tensor.text());
  }
  const int64_t heads = config.count("num_attention_heads");
  const int64_t turned = rotated_heads(name, heads, config.count("num_key_value_heads", heads));
  const bool is_reordered = turned > 0 && config.architecture() == "llama";
  const Tensor rows =
      is_reordered ? reorder_rows(tensor, row_order(turned, tensor.dim(0), name), true) : tensor;
  return {*gguf_name, rows.rank() == 1 ? rows.to(DType::f32) : rows};
}

}  // namespace

TextModel import_gguf(const GgufFile& file) {
  const GgufKeys keys(file);
  TextModel model{.tensors = {}, .files = gguf_tokenizer_files(file)};
  model.files["config.json"] = gguf_config_file(file, keys);
  const int64_t heads = keys.count("attention.head_count");
  const int64_t kv_heads = keys.count("attention.head_count_kv", heads);
  for (const auto& [gguf_name, stored] : file.tensors) {
    if (gguf_name == kRopeFactors) continue;  // in the config
    const auto name = name_of_gguf(gguf_name);
    if (!name) {
      fail(ErrorCode::invalid_model, "{}: expected tensors of {}, found \"{}\"", file.source(),
           keys.architecture(), gguf_name);
    }
    const int64_t turned = rotated_heads(*name, heads, kv_heads);
    RowOrder order;
    if (turned > 0 && keys.architecture() == "llama")
      order = row_order(turned, stored.shape[0], file.source() + ": " + gguf_name);
    if (is_gguf_matrix(stored)) {
      model.quantised.emplace(*name, gguf_matrix(file, stored, order));
      continue;
    }
    const Tensor tensor = gguf_tensor(file, gguf_name);
    model.tensors.emplace(*name, order.heads > 0 ? reorder_rows(tensor, order, false) : tensor);
  }
  return model;
}

void export_gguf(const std::filesystem::path& path, const TextModel& model,
                 std::optional<GgmlType> blocks) {
  const GgufConfig config(model.files);
  std::vector<GgufRow> rows;
  for (const auto& [name, tensor] : model.tensors)
    rows.push_back(row_for(name, tensor, config));
  for (GgufRow& row : rows)
    row.blocks = blocks_of(row, blocks);
  if (const std::vector<float> factors = config.rope_factors(); !factors.empty()) {
    const Shape shape = {static_cast<int64_t>(factors.size())};
    rows.push_back({kRopeFactors, Tensor::view(DType::f32, shape, factors.data()).to(DType::f32)});
  }
  GgufMetadata metadata = config.metadata();
  metadata["general.file_type"] = blocks ? block_file_type(*blocks) : file_type(rows);
  if (blocks) metadata["general.quantization_version"] = kQuantisationVersion;
  metadata.merge(gguf_tokenizer_metadata(model.files, config.count("vocab_size")));
  write_gguf(path, metadata, rows);
}

}  // namespace vila::formats
