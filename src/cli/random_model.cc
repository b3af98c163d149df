// SPDX-License-Identifier: Apache-2.0
#include "cli/random_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/random.h"
#include "model/vision_int8.h"
#include "spec/parameters.h"

namespace vila::cli {
namespace {

constexpr int64_t kGroup = 128;
// Standard deviations of random codes: uniform in [0, 16) and [0, 256).
constexpr double kSpread4 = 4.61;
constexpr double kSpread8 = 73.9;
// Narrow codes: uniform in [64, 192), eight of them a word.
constexpr double kSpreadNarrow = 36.9;
constexpr uint64_t kNarrowBits = 0x7f7f7f7f7f7f7f7fU;
constexpr uint64_t kNarrowLeast = 0x4040404040404040U;
constexpr float kZero4 = 8;
constexpr float kZero8 = 128;

spec::VisionConfig clip_large() {
  return {};  // the defaults of VisionConfig are CLIP-L/14 at 336 pixels
}

spec::VisionConfig siglip(int64_t image_size) {
  return {.image_size = image_size,
          .patch_size = 14,
          .hidden_size = 1152,
          .intermediate_size = 4304,
          .num_hidden_layers = 27,
          .num_attention_heads = 16,
          .layer_norm_eps = 1e-6,
          .hidden_act = spec::Activation::gelu_tanh,
          .tower = spec::Tower::siglip};
}

spec::DecoderConfig sheared_llama() {
  return {.hidden_size = 2560,
          .intermediate_size = 6912,
          .num_attention_heads = 20,
          .num_key_value_heads = 20};
}

spec::DecoderConfig llama3_8b() {
  return {.intermediate_size = 14336,
          .num_key_value_heads = 8,
          .vocab_size = 128256,
          .rope_theta = 5e5};
}

spec::DecoderConfig qwen2_7b() {
  return {.hidden_size = 3584,
          .intermediate_size = 18944,
          .num_hidden_layers = 28,
          .num_attention_heads = 28,
          .num_key_value_heads = 4,
          .vocab_size = 151648,
          .max_position_embeddings = 32768,
          .rms_norm_eps = 1e-6,
          .rope_theta = 1e6,
          .has_qkv_bias = true};
}

void add_tower(spec::VilaConfig& config, const spec::VisionConfig& vision) {
  config.vision = vision;
  config.mm_vision_tower = "vision_tower";
  config.mm_hidden_size = vision.hidden_size;
  config.image_processor.image_size = vision.image_size;
}

// Feb 2024: CLIP, two layers of projector.
spec::VilaConfig vila_2024(const spec::DecoderConfig& llm) {
  spec::VilaConfig config;
  config.llm = llm;
  config.mm_projector_type = "mlp2x_gelu";
  config.image_aspect_ratio = "pad";
  add_tower(config, clip_large());
  return config;
}

// VILA1.5: SigLIP at 384 pixels, 2 x 2 neighbours merged.
spec::VilaConfig vila_1_5(const spec::DecoderConfig& llm) {
  spec::VilaConfig config;
  config.generation = spec::Generation::vila_1_5;
  config.llm = llm;
  config.mm_projector_type = "mlp_downsample";
  config.mm_vision_select_feature = "cls_patch";
  config.image_aspect_ratio = "resize";
  config.image_processor.mode = media::ProcessorConfig::Mode::resize;
  add_tower(config, siglip(384));
  return config;
}

// NVILA: SigLIP at 448 pixels, three scales, the largest tiled by the shape of the picture.
spec::VilaConfig nvila_8b() {
  spec::VilaConfig config = vila_1_5(qwen2_7b());
  config.generation = spec::Generation::nvila;
  config.image_aspect_ratio = "dynamic_s2";
  config.image_processor.mode = media::ProcessorConfig::Mode::dynamic_s2;
  config.model_max_length = 8192;
  add_tower(config, siglip(448));
  config.s2 =
      spec::MultiScale{.sides = {448, 896, 1344}, .tile = 448, .output = 2, .is_dynamic = true};
  config.image_processor.sides = config.s2->sides;
  config.mm_hidden_size = 3 * config.vision->hidden_size;
  return config;
}

struct NamedConfig {
  const char* name;
  spec::VilaConfig (*make)();
};

constexpr NamedConfig kModels[] = {
    {"vila-2.7b", [] { return vila_2024(sheared_llama()); }},
    {"vila-7b", [] { return vila_2024({}); }},
    {"vila1.5-3b", [] { return vila_1_5(sheared_llama()); }},
    {"llama3-8b", [] { return vila_1_5(llama3_8b()); }},
    {"nvila-8b", nvila_8b},
};

// 16 rows of random codes, their scales equal.
void fill_tile(const PackedMatrix& matrix, int64_t tile, float scale) {
  constexpr int64_t kRows = PackedMatrix::kTileRows;
  Random random(1, static_cast<uint64_t>(tile));
  uint64_t state = random.next_u64() | 1;
  uint8_t* place = matrix.data.data<uint8_t>() + tile * matrix.tile_bytes();
  for (int64_t g = 0; g < matrix.groups(); ++g) {
    for (int64_t at = 0; at < matrix.code_bytes(); at += 8) {
      // Marsaglia, "Xorshift RNGs" (2003): gigabytes of codes are to be made in a second.
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      const uint64_t codes = matrix.is_narrow ? (state & kNarrowBits) + kNarrowLeast : state;
      std::memcpy(place + at, &codes, sizeof(codes));
    }
    place += matrix.code_bytes();
    auto* line = reinterpret_cast<f16*>(place);
    std::fill_n(line, kRows, to_f16(scale));
    std::fill_n(line + kRows, kRows, to_f16(matrix.bits == 4 ? kZero4 : kZero8));
    place += PackedMatrix::kLineBytes;
  }
}

bool is_table(const std::string& name) {
  return name.find("embed") != std::string::npos;
}

// Whether a parameter is the matrix of a Linear or of the token table.
bool is_packed(const spec::Parameter& parameter) {
  return parameter.shape.rank() == 2 &&
         (!is_table(parameter.name) || parameter.name == "model.embed_tokens.weight");
}

bool is_vision(const std::string& name) {
  return name.starts_with(spec::kVisionPrefix) || name.starts_with("model.mm_projector.");
}

// The matrix without its memory: layers in 4 bits, tower and projector as --vision int8 has them.
PackedMatrix packed_shape(const spec::Parameter& parameter) {
  PackedMatrix shape{
      .out = parameter.shape[0], .in = parameter.shape[1], .group = parameter.shape[1], .data = {}};
  const bool is_4bit = parameter.name.starts_with("model.layers.") && shape.in % kGroup == 0;
  shape.bits = is_4bit ? 4 : 8;
  if (is_4bit) shape.group = kGroup;
  if (is_vision(parameter.name)) {
    shape.group = model::int8_vision_group(shape.in);
    shape.is_narrow = true;
  }
  return shape;
}

// Standard deviation of the codes that fill_tile() makes.
double spread(const PackedMatrix& matrix) {
  if (matrix.bits == 4) return kSpread4;
  return matrix.is_narrow ? kSpreadNarrow : kSpread8;
}

int64_t packed_bytes(const PackedMatrix& shape) {
  return PackedMatrix::bytes(shape.out, shape.in, shape.group, shape.bits);
}

PackedMatrix random_matrix(const spec::Parameter& parameter, ThreadPool& pool) {
  PackedMatrix matrix = packed_shape(parameter);
  matrix.data = Tensor::empty(DType::u8, {packed_bytes(matrix)});
  const double deviation =
      is_table(parameter.name) ? 0.7 : 1 / std::sqrt(static_cast<double>(matrix.in));
  const auto scale = static_cast<float>(deviation / spread(matrix));
  pool.parallel_for(matrix.tiles(), 4, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile)
      fill_tile(matrix, tile, scale);
  });
  return matrix;
}

// Norms are 1, biases 0, class token, patch filter and positions small numbers.
Tensor plain_parameter(const spec::Parameter& parameter) {
  Tensor values = Tensor::zeros(DType::f32, parameter.shape);
  const bool is_norm = !parameter.has_decay && parameter.name.ends_with(".weight");
  Random random(2, static_cast<uint64_t>(values.numel()));
  for (float& value : values.values<float>()) {
    if (is_norm) value = 1;
    if (parameter.has_decay) value = static_cast<float>(0.04 * (random.uniform() - 0.5));
  }
  return values;
}

// A byte is a token: 3 + its value, behind <unk>, <s> and </s>.
class ByteTokenizer : public text::Tokenizer {
 public:
  std::vector<text::TokenId> encode(std::string_view text,
                                    const text::EncodeOptions& options) const override {
    std::vector<text::TokenId> ids;
    if (options.add_bos) ids.push_back(bos_id());
    for (const char byte : text)
      ids.push_back(kFirst + static_cast<unsigned char>(byte));
    return ids;
  }

  std::string decode(std::span<const text::TokenId> ids, bool) const override {
    std::string text;
    for (const text::TokenId id : ids)
      text += piece(id);
    return text;
  }

  std::string replace_malformed(std::string_view bytes) const override {
    return std::string(bytes);
  }

  std::string piece(text::TokenId id) const override {
    const bool is_ascii = id >= kFirst + ' ' && id < kFirst + 127;
    return {1, is_ascii ? static_cast<char>(id - kFirst) : '.'};
  }

  text::TokenId token_id(std::string_view) const override { return -1; }

  int64_t vocab_size() const override { return kFirst + 256; }

  text::TokenId bos_id() const override { return 1; }

  text::TokenId eos_id() const override { return 2; }

  text::TokenId unk_id() const override { return 0; }

  text::TokenId pad_id() const override { return 0; }

  bool is_special(text::TokenId id) const override { return id < kFirst; }

 private:
  static constexpr text::TokenId kFirst = 3;
};

}  // namespace

std::vector<std::string> random_model_names() {
  std::vector<std::string> names;
  for (const NamedConfig& row : kModels)
    names.emplace_back(row.name);
  return names;
}

spec::VilaConfig random_config(const std::string& name) {
  for (const NamedConfig& row : kModels) {
    if (name == row.name) return row.make();
  }
  std::string names;
  for (const NamedConfig& row : kModels)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
  fail(ErrorCode::invalid_argument, "--random: expected one of {}, found \"{}\"", names, name);
}

int64_t random_weight_bytes(const spec::VilaConfig& config) {
  int64_t sum = 0;
  for (const spec::Parameter& parameter : spec::parameters(config)) {
    if (parameter.is_optional) continue;
    sum += is_packed(parameter) ? packed_bytes(packed_shape(parameter))
                                : parameter.shape.numel() * static_cast<int64_t>(sizeof(float));
  }
  return sum;
}

formats::Checkpoint random_checkpoint(const spec::VilaConfig& config, ThreadPool& pool) {
  formats::Checkpoint checkpoint;
  checkpoint.folder = "random";
  for (const spec::Parameter& parameter : spec::parameters(config)) {
    if (parameter.is_optional) continue;
    if (is_packed(parameter)) {
      checkpoint.quantised.emplace(parameter.name,
                                   formats::quantised(random_matrix(parameter, pool)));
    } else {
      checkpoint.tensors.emplace(parameter.name, plain_parameter(parameter));
    }
  }
  return checkpoint;
}

std::unique_ptr<text::Tokenizer> byte_tokenizer() {
  return std::make_unique<ByteTokenizer>();
}

}  // namespace vila::cli
