// SPDX-License-Identifier: Apache-2.0
#include "spec/parameters.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace vila::spec {
namespace {

constexpr std::string_view kProjectorPrefix = "model.mm_projector";
constexpr int64_t kMaxProjectorDepth = 16;

/// Collects rows; every row takes the part and the optional mark that are set at the time.
class Table {
 public:
  void begin(Part part) {
    part_ = part;
    is_optional_ = false;
  }

  void set_optional(bool is_optional) { is_optional_ = is_optional; }

  void matrix(const std::string& name, int64_t out, int64_t in) { add(name, {out, in}, true); }

  void linear(const std::string& prefix, int64_t out, int64_t in) {
    matrix(prefix + ".weight", out, in);
    add(prefix + ".bias", {out}, false);
  }

  void norm(const std::string& prefix, int64_t width) { add(prefix + ".weight", {width}, false); }

  void layer_norm(const std::string& prefix, int64_t width) {
    norm(prefix, width);
    add(prefix + ".bias", {width}, false);
  }

  void add(const std::string& name, const Shape& shape, bool has_decay) {
    rows_.push_back({name, shape, part_, has_decay, is_optional_});
  }

  std::vector<Parameter> take() { return std::move(rows_); }

 private:
  std::vector<Parameter> rows_;
  Part part_ = Part::llm;
  bool is_optional_ = false;
};

void add_vision_layer(Table& table, const VisionConfig& vision, const std::string& prefix) {
  const int64_t width = vision.hidden_size;
  table.layer_norm(prefix + "layer_norm1", width);
  for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
    table.linear(prefix + "self_attn." + name, width, width);
  }
  table.layer_norm(prefix + "layer_norm2", width);
  table.linear(prefix + "mlp.fc1", vision.intermediate_size, width);
  table.linear(prefix + "mlp.fc2", width, vision.intermediate_size);
}

void add_tower(Table& table, const VilaConfig& config) {
  const VisionConfig& vision = *config.vision;
  const std::string prefix = kVisionPrefix;
  const int64_t width = vision.hidden_size;
  table.begin(Part::vision_tower);
  table.add(prefix + "embeddings.class_embedding", {width}, true);
  table.add(prefix + "embeddings.patch_embedding.weight",
            {width, vision.num_channels, vision.patch_size, vision.patch_size}, true);
  table.matrix(prefix + "embeddings.position_embedding.weight", vision.patches() + 1, width);
  table.layer_norm(prefix + "pre_layrnorm", width);
  for (int64_t layer = 0; layer < vision.num_hidden_layers; ++layer) {
    table.set_optional(layer >= config.vision_layers_used());
    add_vision_layer(table, vision, fmt::format("{}encoder.layers.{}.", prefix, layer));
  }
  table.set_optional(true);
  table.layer_norm(prefix + "post_layernorm", width);
}

void add_projector(Table& table, const VilaConfig& config) {
  table.begin(Part::mm_projector);
  for (const ProjectorLinear& linear : projector_linears(config)) {
    table.linear(linear.prefix, linear.out, linear.in);
  }
}

void add_decoder_layer(Table& table, const DecoderConfig& llm, const std::string& prefix) {
  const int64_t width = llm.hidden_size;
  const int64_t query = llm.num_attention_heads * llm.head_dim;
  const int64_t key = llm.num_key_value_heads * llm.head_dim;
  table.norm(prefix + "input_layernorm", width);
  table.matrix(prefix + "self_attn.q_proj.weight", query, width);
  table.matrix(prefix + "self_attn.k_proj.weight", key, width);
  table.matrix(prefix + "self_attn.v_proj.weight", key, width);
  table.matrix(prefix + "self_attn.o_proj.weight", width, query);
  table.norm(prefix + "post_attention_layernorm", width);
  table.matrix(prefix + "mlp.gate_proj.weight", llm.intermediate_size, width);
  table.matrix(prefix + "mlp.up_proj.weight", llm.intermediate_size, width);
  table.matrix(prefix + "mlp.down_proj.weight", width, llm.intermediate_size);
}

void add_decoder(Table& table, const DecoderConfig& llm) {
  table.begin(Part::llm);
  table.matrix("model.embed_tokens.weight", llm.vocab_size, llm.hidden_size);
  for (int64_t layer = 0; layer < llm.num_hidden_layers; ++layer) {
    add_decoder_layer(table, llm, fmt::format("model.layers.{}.", layer));
  }
  table.norm("model.norm", llm.hidden_size);
  if (!llm.tie_word_embeddings) table.matrix("lm_head.weight", llm.vocab_size, llm.hidden_size);
}

/// N of "mlpNx_gelu", nothing for any other text.
std::optional<int64_t> mlp_depth(std::string_view type) {
  constexpr std::string_view kHead = "mlp";
  constexpr std::string_view kTail = "x_gelu";
  if (!type.starts_with(kHead) || !type.ends_with(kTail)) return std::nullopt;
  if (type.size() <= kHead.size() + kTail.size()) return std::nullopt;
  const char* end = type.data() + type.size() - kTail.size();
  int64_t depth = 0;
  const auto parsed = std::from_chars(type.data() + kHead.size(), end, depth);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == end;
  if (!is_number || depth < 1 || depth > kMaxProjectorDepth) return std::nullopt;
  return depth;
}

}  // namespace

std::vector<ProjectorLinear> projector_linears(const VilaConfig& config) {
  const std::string prefix(kProjectorPrefix);
  const std::string& type = config.mm_projector_type;
  const int64_t in = config.mm_hidden_size;
  const int64_t out = config.llm.hidden_size;
  if (type == "linear") return {{prefix, in, out}};
  if (type == "identity") {
    if (in == out) return {};
    fail(ErrorCode::invalid_config,
         "\"mm_projector_type\": identity expects mm_hidden_size = hidden_size, found {} and {}",
         in, out);
  }
  const std::optional<int64_t> depth = mlp_depth(type);
  if (!depth) {
    fail(ErrorCode::invalid_config,
         "\"mm_projector_type\": expected identity, linear or mlpNx_gelu (N from 1 to {}), found "
         "\"{}\"",
         kMaxProjectorDepth, type);
  }
  std::vector<ProjectorLinear> linears;
  for (int64_t i = 0; i < *depth; ++i) {
    linears.push_back({fmt::format("{}.{}", prefix, 2 * i), i == 0 ? in : out, out});
  }
  return linears;
}

std::vector<Parameter> parameters(const VilaConfig& config) {
  Table table;
  if (config.has_vision()) {
    add_tower(table, config);
    add_projector(table, config);
  }
  add_decoder(table, config.llm);
  return table.take();
}

}  // namespace vila::spec
