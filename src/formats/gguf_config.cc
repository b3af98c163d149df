// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_config.h"

#include <algorithm>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/gguf_rope.h"

namespace vila::formats {
namespace {

constexpr const char* kRopeScaling = "config.json: rope_scaling";

/// Llama-3.1's scaling stands in a file as what divides each frequency.
Json rope_scaling_of_factors(const GgufFile& file, const GgufKeys& keys, const RopeBase& base) {
  const Tensor factors = gguf_tensor(file, kRopeFactors).to(DType::f32);
  const auto original =
      gguf_get<int64_t>(file, keys.name("rope.scaling.original_context_length"), 0);
  Json scaling = llama3_rope_scaling(factors.values<float>(), base, original);
  if (!scaling.is_null()) return scaling;
  fail(ErrorCode::invalid_model,
       "{}: \"{}\" {}: expected the {} factors of Llama-3.1's rotary scaling, found others",
       file.source(), kRopeFactors, factors.text(), base.head_dim / 2);
}

/// The linear scaling by its factor, also under the key of files before August 2023.
Json linear_rope_scaling(const GgufKeys& keys) {
  const double factor = keys.real("rope.scaling.factor", keys.real("rope.scale_linear", 1));
  if (factor == 0 || factor == 1) return nullptr;
  return {{"type", "linear"}, {"factor", factor}};
}

Json rope_scaling(const GgufFile& file, const GgufKeys& keys, const RopeBase& base) {
  const auto type = gguf_get<std::string>(file, keys.name("rope.scaling.type"), "linear");
  const int64_t turned = keys.count("rope.dimension_count", base.head_dim);
  if ((type != "none" && type != "linear") || turned != base.head_dim) {
    fail(ErrorCode::invalid_model,
         "{}: expected rotary positions of whole heads ({} dimensions), unscaled, linear, or "
         "Llama-3.1's (\"{}\"), found {} dimensions with scaling \"{}\"",
         file.source(), base.head_dim, kRopeFactors, turned, replace_invalid_utf8(type));
  }
  if (file.tensors.contains(kRopeFactors)) return rope_scaling_of_factors(file, keys, base);
  return type == "none" ? Json() : linear_rope_scaling(keys);
}

std::string rope_type(const Json& scaling) {
  const auto old_name = json_get<std::string>(scaling, "type", "", kRopeScaling);
  return json_get<std::string>(scaling, "rope_type", old_name, kRopeScaling);
}

}  // namespace

double gguf_real(const GgufFile& file, std::string_view key, double fallback) {
  const double value = gguf_get<double>(file, key, fallback);
  return std::strtod(fmt::format("{}", static_cast<float>(value)).c_str(), nullptr);
}

GgufKeys::GgufKeys(const GgufFile& file)
    : file_(file), architecture_(gguf_require<std::string>(file, "general.architecture")) {
  if (architecture_ == "llama" || architecture_ == "qwen2") return;
  fail(ErrorCode::invalid_model,
       "{}: expected a language model of the architecture \"llama\" (Llama, Vicuna, Mistral, Yi, "
       "SmolLM) or \"qwen2\" (Qwen2, Qwen2.5), found \"{}\"{}",
       file.source(), replace_invalid_utf8(architecture_),
       architecture_ == "clip" ? "; this is an mmproj: name the language model with -m and this "
                                 "file with --mmproj"
                               : "");
}

std::string GgufKeys::name(std::string_view key) const {
  return fmt::format("{}.{}", architecture_, key);
}

int64_t GgufKeys::count(std::string_view key, std::optional<int64_t> fallback) const {
  const std::string full = name(key);
  const int64_t value =
      fallback ? gguf_get<int64_t>(file_, full, *fallback) : gguf_require<int64_t>(file_, full);
  if (value >= 1 && value <= INT32_MAX) return value;
  fail(ErrorCode::invalid_model, "{}: \"{}\": expected a count of at least 1, found {}",
       file_.source(), full, value);
}

double GgufKeys::real(std::string_view key, double fallback) const {
  return gguf_real(file_, name(key), fallback);
}

std::string gguf_config_file(const GgufFile& file, const GgufKeys& keys) {
  const int64_t heads = keys.count("attention.head_count");
  const int64_t hidden = keys.count("embedding_length");
  const auto embeddings = file.tensors.find("token_embd.weight");
  if (embeddings == file.tensors.end() || embeddings->second.shape.rank() != 2) {
    fail(ErrorCode::invalid_model, "{}: expected a matrix \"token_embd.weight\", found none",
         file.source());
  }
  const bool is_llama = keys.architecture() == "llama";
  const RopeBase base = {
      .head_dim = keys.count("attention.key_length", std::max<int64_t>(hidden / heads, 1)),
      .theta = keys.real("rope.freq_base", 10000)};
  const Json config = {{"architectures", {is_llama ? "LlamaForCausalLM" : "Qwen2ForCausalLM"}},
                       {"model_type", keys.architecture()},
                       {"hidden_size", hidden},
                       {"intermediate_size", keys.count("feed_forward_length")},
                       {"num_hidden_layers", keys.count("block_count")},
                       {"num_attention_heads", heads},
                       {"num_key_value_heads", keys.count("attention.head_count_kv", heads)},
                       {"head_dim", base.head_dim},
                       {"max_position_embeddings", keys.count("context_length", 2048)},
                       {"rms_norm_eps", keys.real("attention.layer_norm_rms_epsilon", 1e-5)},
                       {"rope_theta", base.theta},
                       {"rope_scaling", rope_scaling(file, keys, base)},
                       {"vocab_size", embeddings->second.shape[0]},
                       {"tie_word_embeddings", !file.tensors.contains("output.weight")},
                       {"bos_token_id", gguf_get<int64_t>(file, "tokenizer.ggml.bos_token_id", 1)},
                       {"eos_token_id", gguf_get<int64_t>(file, "tokenizer.ggml.eos_token_id", 2)},
                       {"hidden_act", "silu"}};
  return config.dump(2) + "\n";
}

GgufConfig::GgufConfig(const SmallFiles& files) {
  const auto found = files.find("config.json");
  if (found == files.end()) {
    fail(ErrorCode::invalid_model, "GGUF: expected a config.json beside the weights, found none");
  }
  config_ = std::make_shared<const Json>(parse_json(found->second, "config.json"));
  const auto type = json_get<std::string>(*config_, "model_type", "", "config.json");
  const bool is_llama = type == "llama" || type == "mistral" || type == "llava_llama";
  if (!is_llama && type != "qwen2") {
    fail(ErrorCode::invalid_model,
         "config.json: expected model_type llama, mistral or qwen2 for GGUF, found \"{}\"", type);
  }
  architecture_ = is_llama ? "llama" : "qwen2";
}

int64_t GgufConfig::count(const char* key, std::optional<int64_t> fallback) const {
  return fallback ? json_get<int64_t>(*config_, key, *fallback, "config.json")
                  : json_require<int64_t>(*config_, key, "config.json");
}

double GgufConfig::real(const char* key, double fallback) const {
  return json_get<double>(*config_, key, fallback, "config.json");
}

int64_t GgufConfig::head_dim() const {
  const int64_t heads = std::max<int64_t>(count("num_attention_heads"), 1);
  return count("head_dim", count("hidden_size") / heads);
}

std::vector<float> GgufConfig::rope_factors() const {
  const Json scaling = rope_scaling();
  if (scaling.is_null() || rope_type(scaling) != "llama3") return {};
  return llama3_rope_factors(scaling, {head_dim(), real("rope_theta", 10000)});
}

GgufMetadata GgufConfig::metadata() const {
  const std::string prefix = architecture_ + ".";
  const int64_t heads = count("num_attention_heads");
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
      {prefix + "attention.key_length", head_dim()},
      {prefix + "attention.value_length", head_dim()},
      {prefix + "rope.dimension_count", head_dim()},
      {prefix + "attention.layer_norm_rms_epsilon", real("rms_norm_eps", 1e-5)},
      {prefix + "rope.freq_base", real("rope_theta", 10000)}};
  add_rope_scaling(metadata, prefix);
  return metadata;
}

/// The object of config.json, or null. llama.cpp reads the factors of Llama-3.1's for llama only.
Json GgufConfig::rope_scaling() const {
  const auto found = config_->find("rope_scaling");
  if (found == config_->end() || found->is_null()) return nullptr;
  const std::string type = rope_type(*found);
  if (type == "default") return nullptr;
  if (type == "linear" || (type == "llama3" && architecture_ == "llama")) return *found;
  fail(ErrorCode::invalid_model,
       "{}: expected \"linear\", or \"llama3\" of a Llama, for GGUF, found \"{}\"", kRopeScaling,
       type);
}

void GgufConfig::add_rope_scaling(GgufMetadata& metadata, const std::string& prefix) const {
  const Json scaling = rope_scaling();
  if (scaling.is_null()) return;
  if (rope_type(scaling) == "linear") {
    metadata[prefix + "rope.scaling.type"] = std::string("linear");
    metadata[prefix + "rope.scaling.factor"] =
        json_require<double>(scaling, "factor", kRopeScaling);
  } else {
    metadata[prefix + "rope.scaling.original_context_length"] =
        json_get<int64_t>(scaling, "original_max_position_embeddings", 8192, kRopeScaling);
  }
}

}  // namespace vila::formats
