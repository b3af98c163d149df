// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_text_model.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
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

/// Keys of the metadata below the architecture.
class Keys {
 public:
  explicit Keys(const GgufFile& file)
      : file_(file), architecture_(gguf_require<std::string>(file, "general.architecture")) {
    if (architecture_ == "llama" || architecture_ == "qwen2") return;
    fail(ErrorCode::invalid_model, "{}: expected architecture \"llama\" or \"qwen2\", found \"{}\"",
         file.source(), architecture_);
  }

  const std::string& architecture() const { return architecture_; }

  std::string name(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }

  /// A count in 1 … 2^31 - 1.
  int64_t count(std::string_view key, std::optional<int64_t> fallback = std::nullopt) const {
    const std::string full = name(key);
    const int64_t value =
        fallback ? gguf_get<int64_t>(file_, full, *fallback) : gguf_require<int64_t>(file_, full);
    if (value >= 1 && value <= INT32_MAX) return value;
    fail(ErrorCode::invalid_model, "{}: \"{}\": expected a count of at least 1, found {}",
         file_.source(), full, value);
  }

  /// The file holds floats: the shortest number that is the same float reads as it was meant.
  double real(std::string_view key, double fallback) const {
    const double value = gguf_get<double>(file_, name(key), fallback);
    return std::strtod(fmt::format("{}", static_cast<float>(value)).c_str(), nullptr);
  }

 private:
  const GgufFile& file_;
  std::string architecture_;
};

/// The only scaling that metadata alone describes is the linear one.
Json rope_scaling(const GgufFile& file, const Keys& keys) {
  const auto type = gguf_get<std::string>(file, keys.name("rope.scaling.type"), "none");
  if (file.tensors.contains("rope_freqs.weight") || (type != "none" && type != "linear")) {
    fail(ErrorCode::invalid_model,
         "{}: expected rotary positions without scaling or with a linear one, found {}",
         file.source(), type == "none" ? "\"rope_freqs.weight\"" : type);
  }
  if (type == "none") return nullptr;
  return {{"type", "linear"}, {"factor", keys.real("rope.scaling.factor", 1)}};
}

std::string config_of(const GgufFile& file, const Keys& keys) {
  const int64_t heads = keys.count("attention.head_count");
  const int64_t hidden = keys.count("embedding_length");
  const auto embeddings = file.tensors.find("token_embd.weight");
  if (embeddings == file.tensors.end() || embeddings->second.shape.rank() != 2) {
    fail(ErrorCode::invalid_model, "{}: expected a matrix \"token_embd.weight\", found none",
         file.source());
  }
  const bool is_llama = keys.architecture() == "llama";
  const Json config = {
      {"architectures", {is_llama ? "LlamaForCausalLM" : "Qwen2ForCausalLM"}},
      {"model_type", keys.architecture()},
      {"hidden_size", hidden},
      {"intermediate_size", keys.count("feed_forward_length")},
      {"num_hidden_layers", keys.count("block_count")},
      {"num_attention_heads", heads},
      {"num_key_value_heads", keys.count("attention.head_count_kv", heads)},
      {"head_dim", keys.count("attention.key_length", std::max<int64_t>(hidden / heads, 1))},
      {"max_position_embeddings", keys.count("context_length", 2048)},
      {"rms_norm_eps", keys.real("attention.layer_norm_rms_epsilon", 1e-5)},
      {"rope_theta", keys.real("rope.freq_base", 10000)},
      {"rope_scaling", rope_scaling(file, keys)},
      {"vocab_size", embeddings->second.shape[0]},
      {"tie_word_embeddings", !file.tensors.contains("output.weight")},
      {"bos_token_id", gguf_get<int64_t>(file, "tokenizer.ggml.bos_token_id", 1)},
      {"eos_token_id", gguf_get<int64_t>(file, "tokenizer.ggml.eos_token_id", 2)},
      {"hidden_act", "silu"}};
  return config.dump(2) + "\n";
}

const std::string& file_of(const TextModel& model, const std::string& name) {
  const auto found = model.files.find(name);
  if (found != model.files.end()) return found->second;
  fail(ErrorCode::invalid_model, "GGUF: expected a {} beside the weights, found none", name);
}

/// Metadata of an architecture, from config.json.
class ConfigKeys {
 public:
  explicit ConfigKeys(const TextModel& model)
      : config_(parse_json(file_of(model, "config.json"), "config.json")) {
    const auto type = json_get<std::string>(config_, "model_type", "", "config.json");
    const bool is_llama = type == "llama" || type == "mistral" || type == "llava_llama";
    if (!is_llama && type != "qwen2") {
      fail(ErrorCode::invalid_model,
           "config.json: expected model_type llama, mistral or qwen2 for GGUF, found \"{}\"", type);
    }
    architecture_ = is_llama ? "llama" : "qwen2";
  }

  const std::string& architecture() const { return architecture_; }

  int64_t count(const char* key, std::optional<int64_t> fallback = std::nullopt) const {
    return fallback ? json_get<int64_t>(config_, key, *fallback, "config.json")
                    : json_require<int64_t>(config_, key, "config.json");
  }

  GgufMetadata metadata() const {
    const std::string prefix = architecture_ + ".";
    const int64_t heads = count("num_attention_heads");
    const int64_t head_dim = count("head_dim", count("hidden_size") / std::max<int64_t>(heads, 1));
    GgufMetadata metadata = {
        {"general.architecture", architecture_},
        {"general.name", std::string("vila export")},
        {prefix + "vocab_size", count("vocab_size")},
        {prefix + "context_length", count("max_position_embeddings", 2048)},
        {prefix + "embedding_length", count("hidden_size")},
        {prefix + "block_count", count("num_hidden_layers")},
        {prefix + "feed_forward_length", count("intermediate_size")},
        {prefix + "attention.head_count", heads},
        {prefix + "attention.head_count_kv", count("num_key_value_heads", heads)},
        {prefix + "attention.key_length", head_dim},
        {prefix + "attention.value_length", head_dim},
        {prefix + "rope.dimension_count", head_dim},
        {prefix + "attention.layer_norm_rms_epsilon", real("rms_norm_eps", 1e-5)},
        {prefix + "rope.freq_base", real("rope_theta", 10000)}};
    add_rope_scaling(metadata, prefix);
    return metadata;
  }

 private:
  double real(const char* key, double fallback) const {
    return json_get<double>(config_, key, fallback, "config.json");
  }

  void add_rope_scaling(GgufMetadata& metadata, const std::string& prefix) const {
    const auto found = config_.find("rope_scaling");
    if (found == config_.end() || found->is_null()) return;
    const auto old_name = json_get<std::string>(*found, "type", "", "config.json: rope_scaling");
    const auto type =
        json_get<std::string>(*found, "rope_type", old_name, "config.json: rope_scaling");
    if (type != "linear") {
      fail(ErrorCode::invalid_model,
           "config.json: rope_scaling: expected \"linear\" for GGUF, found \"{}\"", type);
    }
    metadata[prefix + "rope.scaling.type"] = type;
    metadata[prefix + "rope.scaling.factor"] =
        json_require<double>(*found, "factor", "config.json: rope_scaling");
  }

  Json config_;
  std::string architecture_;
};

int64_t file_type(const std::vector<GgufRow>& rows) {
  for (const GgufRow& row : rows) {
    if (row.tensor.rank() != 2) continue;
    if (row.tensor.dtype() == DType::f16) return kFileTypeF16;
    if (row.tensor.dtype() == DType::bf16) return kFileTypeBf16;
  }
  return kFileTypeF32;
}

GgufRow row_for(const std::string& name, const Tensor& tensor, const ConfigKeys& config) {
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
  const Keys keys(file);
  TextModel model{.tensors = {}, .files = gguf_tokenizer_files(file)};
  model.files["config.json"] = config_of(file, keys);
  const int64_t heads = keys.count("attention.head_count");
  const int64_t kv_heads = keys.count("attention.head_count_kv", heads);
  for (const auto& [gguf_name, stored] : file.tensors) {
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

void export_gguf(const std::filesystem::path& path, const TextModel& model) {
  const ConfigKeys config(model);
  std::vector<GgufRow> rows;
  for (const auto& [name, tensor] : model.tensors)
    rows.push_back(row_for(name, tensor, config));
  GgufMetadata metadata = config.metadata();
  metadata["general.file_type"] = file_type(rows);
  metadata.merge(gguf_tokenizer_metadata(model.files, config.count("vocab_size")));
  write_gguf(path, metadata, rows);
}

}  // namespace vila::formats
