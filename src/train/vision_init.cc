// SPDX-License-Identifier: Apache-2.0
#include "train/vision_init.h"

#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "train/torch_compat.h"

namespace vila::train {
namespace {

// Found by trial on 64-pixel drawings: the codes are as loud as the picture, and a head puts about
// half of its weight on its neighbour.
constexpr double kCodeAmplitude = 1.4;
constexpr double kSharpness = 1.3;

using Offset = std::pair<int, int>;  // rows, columns

/// Where the heads of successive layers look; heads beyond the fourth begin again.
constexpr std::array<std::array<Offset, 4>, 6> kOffsets = {{
    {{{0, 1}, {0, -1}, {1, 0}, {-1, 0}}},
    {{{1, 1}, {-1, -1}, {1, -1}, {-1, 1}}},
    {{{0, 2}, {0, -2}, {2, 0}, {-2, 0}}},
    {{{1, 1}, {-1, -1}, {1, -1}, {-1, 1}}},
    {{{0, 1}, {0, -1}, {1, 0}, {-1, 0}}},
    {{{0, 3}, {0, -3}, {3, 0}, {-3, 0}}},
}};

void fill_normal(const at::Tensor& target, double deviation, Random& random) {
  float* data = target.data_ptr<float>();
  for (int64_t i = 0; i < target.numel(); ++i)
    data[i] = static_cast<float>(deviation * random.normal());
}

/// (sin wz, cos wz) for each frequency w: a shift of z is a rotation of the code, and codes of
/// different z are nearly orthogonal. f32 [2 * frequencies].
std::vector<float> code(double z, int64_t frequencies) {
  std::vector<float> out;
  for (int64_t i = 1; i <= frequencies; ++i) {
    const double w =
        std::numbers::pi * static_cast<double>(i) / static_cast<double>(frequencies + 1);
    out.push_back(static_cast<float>(std::sin(w * z)));
    out.push_back(static_cast<float>(std::cos(w * z)));
  }
  return out;
}

/// The matrix R of code(z + shift) = R code(z).
at::Tensor shift_matrix(double shift, int64_t frequencies) {
  const std::vector<float> turn = code(shift, frequencies);
  at::Tensor out = at::zeros({2 * frequencies, 2 * frequencies}, at::kFloat);
  auto cells = out.accessor<float, 2>();
  for (int64_t i = 0; i < frequencies; ++i) {
    const float s = turn[static_cast<size_t>(2 * i)];
    const float c = turn[static_cast<size_t>(2 * i + 1)];
    cells[2 * i][2 * i] = c;
    cells[2 * i][2 * i + 1] = s;
    cells[2 * i + 1][2 * i] = -s;
    cells[2 * i + 1][2 * i + 1] = c;
  }
  return out;
}

/// Writes the start into host copies of a tower's tensors.
class Start {
 public:
  Start(const ParameterSet& parameters, const spec::VisionConfig& config, uint64_t seed)
      : parameters_(parameters), config_(config), random_(seed, 7) {
    head_ = config.hidden_size / config.num_attention_heads;
    codes_ = config.hidden_size - head_;
  }

  void embeddings();
  void layer(int64_t index, bool is_active);

 private:
  void set(const std::string& name, const at::Tensor& value) const {
    const at::Tensor& target = parameters_.at(spec::kVisionPrefix + name);
    target.copy_(value.view(target.sizes()));
  }

  at::Tensor normal(int64_t rows, int64_t columns, double deviation) {
    at::Tensor out = at::empty({rows, columns}, at::kFloat);
    fill_normal(out, deviation, random_);
    return out;
  }

  const ParameterSet& parameters_;
  const spec::VisionConfig& config_;
  Random random_;
  int64_t head_ = 0;   // channels of a head; as many hold the position's code
  int64_t codes_ = 0;  // first channel of the codes: the last `head_` ones
};

void Start::embeddings() {
  const int64_t grid = config_.grid();
  const int64_t inputs = config_.num_channels * config_.patch_size * config_.patch_size;
  const at::Tensor patch =
      normal(config_.hidden_size, inputs, 1.0 / std::sqrt(static_cast<double>(inputs)));
  patch.narrow(0, codes_, head_).zero_();
  set("embeddings.patch_embedding.weight", patch);
  const at::Tensor first = normal(1, config_.hidden_size, 1.0);
  first.narrow(1, codes_, head_).zero_();
  set("embeddings.class_embedding", first);
  const at::Tensor positions = at::zeros({1 + grid * grid, config_.hidden_size}, at::kFloat);
  auto cells = positions.accessor<float, 2>();
  for (int64_t i = 0; i < grid * grid; ++i) {
    std::vector<float> both = code(static_cast<double>(i / grid), head_ / 4);
    const std::vector<float> column = code(static_cast<double>(i % grid), head_ / 4);
    both.insert(both.end(), column.begin(), column.end());
    for (int64_t c = 0; c < head_; ++c) {
      cells[1 + i][codes_ + c] = static_cast<float>(kCodeAmplitude) * both[static_cast<size_t>(c)];
    }
  }
  set("embeddings.position_embedding.weight", positions);
}

void Start::layer(int64_t index, bool is_active) {
  const int64_t width = config_.hidden_size;
  const double in = 1.0 / std::sqrt(static_cast<double>(width));
  const double out = 1.0 / std::sqrt(2.0 * static_cast<double>(config_.num_hidden_layers));
  const at::Tensor query = at::zeros({width, width}, at::kFloat);
  const at::Tensor key = at::zeros({width, width}, at::kFloat);
  const auto& offsets = kOffsets[static_cast<size_t>(index) % kOffsets.size()];
  for (int64_t h = 0; h < config_.num_attention_heads; ++h) {
    const auto [rows, columns] = offsets[static_cast<size_t>(h) % offsets.size()];
    const at::Tensor q = query.narrow(0, h * head_, head_).narrow(1, codes_, head_);
    q.narrow(0, 0, head_ / 2).narrow(1, 0, head_ / 2).copy_(shift_matrix(rows, head_ / 4));
    q.narrow(0, head_ / 2, head_ / 2)
        .narrow(1, head_ / 2, head_ / 2)
        .copy_(shift_matrix(columns, head_ / 4));
    q.mul_(kSharpness);
    key.narrow(0, h * head_, head_).narrow(1, codes_, head_).fill_diagonal_(kSharpness);
  }
  const auto scaled = [&](at::Tensor value) {
    value.narrow(0, codes_, head_).zero_();  // the codes stay as they are
    return is_active ? value : value.zero_();
  };
  const std::string name = "encoder.layers." + std::to_string(index) + ".";
  set(name + "self_attn.q_proj.weight", query);
  set(name + "self_attn.k_proj.weight", key);
  set(name + "self_attn.v_proj.weight", normal(width, width, in));
  set(name + "self_attn.out_proj.weight", scaled(normal(width, width, 2.0 * in * out)));
  set(name + "mlp.fc1.weight", normal(config_.intermediate_size, width, in));
  const double down = out / std::sqrt(static_cast<double>(config_.intermediate_size));
  set(name + "mlp.fc2.weight", scaled(normal(width, config_.intermediate_size, down)));
}

}  // namespace

void structured_init(const ParameterSet& parameters, const spec::VisionConfig& config,
                     int64_t first_layers, uint64_t seed) {
  const int64_t head = config.hidden_size / config.num_attention_heads;
  if (config.num_attention_heads < 2 || head % 4 != 0) return;
  at::NoGradGuard no_grad;
  Start start(parameters, config, seed);
  start.embeddings();
  for (int64_t i = 0; i < config.num_hidden_layers; ++i)
    start.layer(i, i < first_layers);
}

}  // namespace vila::train
