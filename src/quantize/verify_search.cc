// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "engine/workspace.h"
#include "formats/checkpoint.h"
#include "formats/weight_file.h"
#include "quantize/clip_search.h"
#include "quantize/compare_rows.h"
#include "quantize/float_model.h"
#include "quantize/scale_search.h"
#include "quantize/verify.h"

namespace vila::quantize {
namespace {

using engine::VerifyRow;

constexpr double kScaleTolerance = 1e-5;
constexpr double kLossTolerance = 1e-3;
constexpr double kStepShare = 0.97;
constexpr double kClipErrorTolerance = 0.01;
constexpr double kFoldTolerance = 1e-5;
// Of logits up to 2.3; instruction sets, which round e^x differently, come within 2.7e-5 to 3.4e-5.
constexpr double kLogitsTolerance = 5e-5;
constexpr double kChangeTolerance = 0.1;

/// What the search did to the weights of a layer, to the degree that a recorded variant asks for.
struct Variant {
  const char* logits;  // name of the recorded tensor
  const char* figure;  // name in the report; null: equals the unchanged model
  bool is_scaled;
  bool is_clipped;
  bool is_rounded;
};

constexpr Variant kVariants[] = {
    {"logits_scaled", nullptr, true, false, false},
    {"logits_clipped", "clipped_not_quantised", true, true, false},
    {"logits_quantised", "awq", true, true, true},
    {"logits_quantised_without_clip", "awq_scale_only", true, false, true},
    {"logits_rtn", "rtn", false, false, true}};

/// Recorded codes, two to a byte, as one a byte.
Tensor unpacked_codes(const Tensor& packed) {
  Tensor codes = Tensor::empty(DType::u8, {packed.dim(0), packed.dim(1) * 2});
  for (int64_t i = 0; i < packed.numel(); ++i) {
    const uint8_t byte = packed.data<uint8_t>()[i];
    codes.data<uint8_t>()[2 * i] = byte & 15;
    codes.data<uint8_t>()[2 * i + 1] = byte >> 4;
  }
  return codes;
}

double total(const Tensor& values) {
  double sum = 0;
  for (const double value : values.values<double>())
    sum += value;
  return sum;
}

double mean_square_difference(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.numel(); ++i)
    sum += std::pow(double{a.data<float>()[i]} - double{b.data<float>()[i]}, 2);
  return sum / static_cast<double>(a.numel());
}

class SearchCase {
 public:
  SearchCase(const std::filesystem::path& folder, const engine::LoadOptions& options)
      : workspace_(options),
        checkpoint_(formats::open_checkpoint(folder / "model")),
        config_(spec::read_config(checkpoint_.folder, checkpoint_.vision_folder).llm),
        recorded_(formats::read_weight_file(folder / "search.safetensors")),
        codes_(formats::read_weight_file(folder / "quantised.safetensors")),
        report_(read_json_file(folder / "report.json", ErrorCode::invalid_data)) {
    options_.group = report_.at("group_size").get<int64_t>();
  }

  std::vector<VerifyRow> run() {
    const Tensor& tokens = expected("calibration_tokens");
    const BlockRunner runner(
        workspace_.context(), config_,
        std::vector<int64_t>(static_cast<size_t>(tokens.dim(0)), tokens.dim(1)));
    Tensor x = model().embed(tokens);
    for (int64_t i = 0; i < config_.num_hidden_layers; ++i)
      x = run_layer(runner, load_block(checkpoint_.tensors, config_, i), x);
    compare_logits();
    return std::move(rows_);
  }

 private:
  FloatModel model() { return FloatModel(workspace_.context(), checkpoint_.tensors, config_); }

  const Tensor& expected(const std::string& name) const {
    const auto found = recorded_.find(name);
    if (found != recorded_.end()) return found->second;
    fail(ErrorCode::invalid_data, "expected a recorded tensor \"{}\", found none", name);
  }

  Tensor run_layer(const BlockRunner& runner, Block block, const Tensor& x) {
    BlockInputs inputs = runner.run(block, x);
    const std::vector<ScaleGroup> groups = scale_groups(block);
    for (const ScaleGroup& group : groups)
      compare_choice(block, search_scales(runner, block, inputs, group, options_, Losses::all));
    fold_recorded(block, inputs);
    compare_norm(block.prefix() + "input_layernorm", block.input_norm);
    compare_norm(block.prefix() + "post_attention_layernorm", block.post_attention_norm);
    for (size_t i = 0; i < kLinears; ++i)
      compare_linear(block, i, inputs.of(i));
    return inputs.result;
  }

  void compare_choice(const Block& block, const ScaleChoice& choice) {
    const std::string name = "scale." + block.prefix() + absorber_name(choice.absorber);
    rows_.push_back(
        compare_each(name + ".x_mean", choice.x_mean, expected(name + ".x_mean"), kScaleTolerance));
    Tensor losses = Tensor::empty(DType::f64, {kExponents});
    std::ranges::copy(choice.losses, losses.data<double>());
    const Tensor& recorded = expected(name + ".losses");
    rows_.push_back(compare_each(name + ".losses", losses, recorded, kLossTolerance));
    const std::span<const double> values = recorded.values<double>();
    const auto best = std::ranges::min_element(values);
    VerifyRow row = compare_figure(name + ".exponent", choice.exponent,
                                   static_cast<double>(best - values.begin()), 0);
    row.tolerance = kLossTolerance;
    row.relative = values[static_cast<size_t>(choice.exponent)] / *best - 1;
    row.is_passed = row.relative <= kLossTolerance;
    rows_.push_back(row);
    if (row.max_abs > 0) return;
    rows_.push_back(
        compare_each(name + ".scales", choice.scales, expected(name + ".scales"), kScaleTolerance));
  }

  Tensor recorded_scales(const Block& block, const ScaleGroup& group) const {
    return expected("scale." + block.prefix() + absorber_name(group.absorber) + ".scales");
  }

  // What follows is compared from the recorded scales on, so that one difference shows once.
  void fold_recorded(Block& block, BlockInputs& inputs) const {
    for (const ScaleGroup& group : scale_groups(block)) {
      const Tensor scales = recorded_scales(block, group);
      fold_scales(block, group, scales);
      const size_t linear = group.linears.front();
      Tensor& x = linear <= kV      ? inputs.attention
                  : linear == kO    ? inputs.output
                  : linear == kDown ? inputs.down
                                    : inputs.mlp;
      divide_columns(x, scales);
    }
  }

  void compare_norm(const std::string& name, const Tensor& weight) {
    const auto found = codes_.find("folded." + name + ".weight");
    if (found != codes_.end())
      rows_.push_back(compare_each("folded." + name, weight, found->second, kScaleTolerance));
  }

  void compare_linear(const Block& block, size_t linear, const Tensor& x) {
    const std::string name = block.name(linear);
    Tensor weight = block.linears[linear].weight.to(DType::f32);
    const auto limits = recorded_.find("clip." + name + ".max");
    if (limits != recorded_.end()) {
      compare_clips(name, weight, x, limits->second);
      apply_clips(weight, limits->second, options_.group);
    }
    const auto folded = codes_.find("folded." + name + ".weight");
    if (folded != codes_.end())
      rows_.push_back(compare_exactly("folded." + name, weight, folded->second));
    const QuantisedMatrix matrix = quantise(weight, options_, workspace_.context().pool, name);
    rows_.push_back(
        compare_exactly(name + ".codes", matrix.codes, unpacked_codes(codes_.at(name + ".codes"))));
    rows_.push_back(compare_exactly(name + ".scale", matrix.scales, codes_.at(name + ".scale")));
    rows_.push_back(compare_exactly(name + ".zero", matrix.zeros, codes_.at(name + ".zero")));
  }

  void compare_clips(const std::string& name, const Tensor& weight, const Tensor& x,
                     const Tensor& limits) {
    ops::Context& ctx = workspace_.context();
    const ClipChoice choice = search_clips(ctx, weight, x, options_);
    const Tensor& steps = expected("clip." + name + ".step");
    int64_t same = 0;
    for (int64_t i = 0; i < steps.numel(); ++i)
      same += steps.data<uint8_t>()[i] == choice.steps.data<uint8_t>()[i] ? 1 : 0;
    const double share = static_cast<double>(same) / static_cast<double>(steps.numel());
    VerifyRow row = compare_figure("clip." + name + ".step", share, 1, 1 - kStepShare);
    row.note = fmt::format("{} of {} the same", same, steps.numel());
    rows_.push_back(row);
    rows_.push_back(compare_figure(
        "clip." + name + ".error", total(clip_errors(ctx, weight, x, choice.limits, options_)),
        total(clip_errors(ctx, weight, x, limits, options_)), kClipErrorTolerance));
  }

  void change_block(const Variant& variant, Block& block) const {
    if (variant.is_scaled) {
      for (const ScaleGroup& group : scale_groups(block))
        fold_scales(block, group, recorded_scales(block, group));
    }
    for (size_t i = 0; i < kLinears; ++i) {
      Tensor& weight = block.linears[i].weight;
      const auto limits = recorded_.find("clip." + block.name(i) + ".max");
      if (variant.is_clipped && limits != recorded_.end())
        apply_clips(weight, limits->second, options_.group);
      if (!variant.is_rounded) continue;
      for (int64_t n = 0; n < weight.dim(0); ++n)
        round_row(weight.rows(n, n + 1).values<float>(), options_);
    }
  }

  void compare_logits() {
    const Tensor& tokens = expected("eval_tokens");
    const Tensor exact = model().logits(tokens);
    rows_.push_back(compare_within("logits_fp", exact, expected("logits_fp"), kLogitsTolerance));
    for (const Variant& variant : kVariants) {
      const Tensor logits =
          model().logits(tokens, [&](Block& block) { change_block(variant, block); });
      if (variant.figure == nullptr) {
        rows_.push_back(compare_within(variant.logits, logits, exact, kFoldTolerance));
        continue;
      }
      const auto recorded = report_.at("logits_mse_against_fp").at(variant.figure).get<double>();
      rows_.push_back(compare_figure(variant.logits, mean_square_difference(logits, exact),
                                     recorded, kChangeTolerance));
    }
  }

  engine::Workspace workspace_;
  formats::Checkpoint checkpoint_;
  spec::DecoderConfig config_;
  formats::TensorMap recorded_;
  formats::TensorMap codes_;
  Json report_;
  GridOptions options_;
  std::vector<VerifyRow> rows_;
};

}  // namespace

std::vector<VerifyRow> verify_search(const std::filesystem::path& folder,
                                     const engine::LoadOptions& options) {
  return SearchCase(folder, options).run();
}

}  // namespace vila::quantize
