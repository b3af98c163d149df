// SPDX-License-Identifier: Apache-2.0
#include "spec/parameters.h"

#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

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

// One encoder layer of CLIP or SigLIP.
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

void add_intern_layer(Table& table, const VisionConfig& vision, const std::string& prefix) {
  const int64_t width = vision.hidden_size;
  table.norm(prefix + "norm1", width);
  table.matrix(prefix + "attn.qkv.weight", 3 * width, width);
  if (vision.has_qkv_bias) table.add(prefix + "attn.qkv.bias", {3 * width}, false);
  if (vision.has_qk_norm) {
    table.norm(prefix + "attn.q_norm", width);
    table.norm(prefix + "attn.k_norm", width);
  }
  table.linear(prefix + "attn.proj", width, width);
  table.add(prefix + "ls1", {width}, false);
  table.norm(prefix + "norm2", width);
  table.linear(prefix + "mlp.fc1", vision.intermediate_size, width);
  table.linear(prefix + "mlp.fc2", width, vision.intermediate_size);
  table.add(prefix + "ls2", {width}, false);
}

// What turns pixels into rows; InternViT stores its vectors with a batch axis.
void add_embeddings(Table& table, const VisionConfig& vision, const std::string& prefix) {
  const int64_t width = vision.hidden_size;
  const bool is_intern = vision.tower == Tower::intern;
  if (vision.has_class_token()) {
    table.add(prefix + "class_embedding", is_intern ? Shape{1, 1, width} : Shape{width}, true);
  }
  table.add(prefix + "patch_embedding.weight",
            {width, vision.num_channels, vision.patch_size, vision.patch_size}, true);
  if (vision.tower != Tower::clip) table.add(prefix + "patch_embedding.bias", {width}, false);
  if (is_intern) {
    table.add(prefix + "position_embedding", {1, vision.rows(), width}, true);
  } else {
    table.matrix(prefix + "position_embedding.weight", vision.stored_rows(), width);
  }
}

void add_tower(Table& table, const VilaConfig& config) {
  const VisionConfig& vision = *config.vision;
  const std::string prefix = kVisionPrefix;
  const int64_t width = vision.hidden_size;
  table.begin(Part::vision_tower);
  add_embeddings(table, vision, prefix + "embeddings.");
  if (vision.tower == Tower::clip) table.layer_norm(prefix + "pre_layrnorm", width);
  for (int64_t layer = 0; layer < vision.num_hidden_layers; ++layer) {
    table.set_optional(layer >= config.vision_layers_used());
    const std::string place = fmt::format("{}encoder.layers.{}.", prefix, layer);
    if (vision.tower == Tower::intern) {
      add_intern_layer(table, vision, place);
    } else {
      add_vision_layer(table, vision, place);
    }
  }
  table.set_optional(true);
  if (vision.tower != Tower::intern) table.layer_norm(prefix + "post_layernorm", width);
}

void add_projector(Table& table, const VilaConfig& config) {
  table.begin(Part::mm_projector);
  for (const ProjectorLinear& linear : projector_linears(config)) {
    if (!linear.norm.empty()) table.layer_norm(linear.norm, linear.in);
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
  if (llm.has_qkv_bias) {
    table.add(prefix + "self_attn.q_proj.bias", {query}, false);
    table.add(prefix + "self_attn.k_proj.bias", {key}, false);
    table.add(prefix + "self_attn.v_proj.bias", {key}, false);
  }
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

/// times / over.
struct Share {
  int64_t times = 0;
  int64_t over = 1;
};

/// A projector that merges neighbours first: rate, and the widths after it as shares of C (the
/// channels of a feature), before two last layers of the language model's width.
struct DownsampleType {
  const char* name;
  int64_t rate;
  std::array<Share, 5> between;  // up to the first that is zero

  std::vector<int64_t> widths(int64_t channels, int64_t out) const {
    std::vector<int64_t> result = {rate * rate * channels};
    for (const Share& share : between) {
      if (share.times > 0) result.push_back(share.times * channels / share.over);
    }
    result.insert(result.end(), {out, out});
    return result;
  }
};

// base_projector.py of NVlabs/VILA at b760c34.
constexpr DownsampleType kDownsampleTypes[] = {
    {"mlp_downsample", 2, {}},
    {"mlp_downsample_2x2_fix", 2, {}},
    {"mlp_downsample_3x3_fix", 3, {{{3, 1}}}},
    {"mlp_downsample_3x3_s2", 3, {{{3, 1}, {1, 1}, {1, 3}}}},
    {"mlp_downsample_3x3_s2_new", 3, {{{4, 1}, {2, 1}, {1, 1}, {1, 3}}}},
};

const DownsampleType* find_downsample_type(std::string_view type) {
  for (const DownsampleType& row : kDownsampleTypes) {
    if (type == row.name) return &row;
  }
  return nullptr;
}

/// Widths between the layers of mlpNx_gelu.
std::vector<int64_t> mlp_widths(const std::string& type, int64_t in, int64_t out) {
  const std::optional<int64_t> depth = mlp_depth(type);
  if (!depth) {
    fail(ErrorCode::invalid_config,
         "\"mm_projector_type\": expected identity, linear, mlpNx_gelu (N from 1 to {}), "
         "mlp_downsample, mlp_downsample_2x2_fix, mlp_downsample_3x3_fix, mlp_downsample_3x3_s2 "
         "or mlp_downsample_3x3_s2_new, found \"{}\"",
         kMaxProjectorDepth, type);
  }
  std::vector<int64_t> widths(static_cast<size_t>(*depth) + 1, out);
  widths.front() = in;
  return widths;
}

/// Layers of an nn.Sequential are numbered through, GELU included. A projector that merges has a
/// LayerNorm before every Linear but the last.
std::vector<ProjectorLinear> number_linears(std::span<const int64_t> widths, bool has_norms,
                                            int64_t number) {
  std::vector<ProjectorLinear> linears;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    ProjectorLinear linear{.prefix = {}, .in = widths[i], .out = widths[i + 1]};
    const bool is_last = i + 2 == widths.size();
    if (has_norms && !is_last) linear.norm = fmt::format("{}.{}", kProjectorPrefix, number++);
    linear.prefix = fmt::format("{}.{}", kProjectorPrefix, number++);
    ++number;  // the GELU
    linears.push_back(std::move(linear));
  }
  return linears;
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
  const DownsampleType* row = find_downsample_type(type);
  const int64_t number = row == nullptr ? 0 : 1;  // the block that merges is number 0
  const std::vector<int64_t> widths =
      row == nullptr ? mlp_widths(type, in, out) : row->widths(in, out);
  return number_linears(widths, row != nullptr, number);
}

Downsampling projector_downsampling(const VilaConfig& config) {
  const DownsampleType* row = find_downsample_type(config.mm_projector_type);
  if (row == nullptr) return {};
  const bool is_old = config.generation == Generation::vila_1_5;
  return {row->rate, is_old && config.mm_projector_type == "mlp_downsample"};
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
