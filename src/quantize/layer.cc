// SPDX-License-Identifier: Apache-2.0
#include "quantize/layer.h"

#include <cmath>
#include <span>
#include <utility>

#include "base/error.h"
#include "quantize/refine.h"

namespace vila::quantize {
namespace {

constexpr int kRefinements = 3;  // what docs/quantization.md was measured with
constexpr std::array<const char*, 3> kMethods = {"rtn", "awq", "awq+gptq"};

// Queries and keys meet only in their product: an error of either alone says little, so that they
// are not clipped.
bool is_clipped(size_t linear) {
  return linear != kQ && linear != kK;
}

Tensor& input_of(BlockInputs& inputs, size_t linear) {
  if (linear <= kV) return inputs.attention;
  if (linear == kO) return inputs.output;
  return linear == kDown ? inputs.down : inputs.mlp;
}

/// One layer on its way to codes.
class LayerQuantiser {
 public:
  LayerQuantiser(const BlockRunner& runner, const Block& block, const Options& options)
      : runner_(runner), options_(options), block_(block) {}

  LayerResult run(Activations& activations) {
    const Tensor x = activations.exact;
    BlockInputs inputs = runner_.run(block_, x);
    if (options_.method != Method::rtn) {
      fold(inputs);
      clip(inputs);
    }
    for (size_t i = 0; i < kLinears; ++i)
      result_.matrices[i] = round(i);
    if (options_.method == Method::awq_second) {
      inputs.attention = inputs.output = inputs.mlp = inputs.down = Tensor();
      compensate_all(activations);
    }
    result_.input_norm = block_.input_norm;
    result_.post_attention_norm = block_.post_attention_norm;
    for (size_t i = 0; i < kLinears; ++i)
      result_.biases[i] = block_.linears[i].bias;
    measure(x, inputs.result);
    activations.exact = inputs.result;
    return std::move(result_);
  }

 private:
  QuantisedMatrix round(size_t linear) const {
    const Tensor& clipped = clipped_[linear];
    return quantise(clipped.defined() ? clipped : block_.linears[linear].weight, options_.grid,
                    runner_.context().pool, block_.name(linear));
  }

  // All groups are searched on the unchanged layer, then all are folded.
  void fold(BlockInputs& inputs) {
    const std::vector<ScaleGroup> groups = scale_groups(block_);
    std::vector<Tensor> scales;
    for (const ScaleGroup& group : groups)
      scales.push_back(scales_of(group, inputs));
    for (size_t i = 0; i < groups.size(); ++i) {
      if (!scales[i].defined()) continue;
      fold_scales(block_, groups[i], scales[i]);
      divide_columns(input_of(inputs, groups[i].linears.front()), scales[i]);
    }
  }

  Tensor scales_of(const ScaleGroup& group, const BlockInputs& inputs) {
    Search::Scale row{block_.prefix() + absorber_name(group.absorber), {}, {}};
    for (const size_t linear : group.linears)
      row.linears.push_back(block_.name(linear));
    if (options_.search.empty()) {
      row.scales = search_scales(runner_, block_, inputs, group, options_.grid).scales;
    } else if (const Search::Scale* given = options_.search.scale_of(row.absorber)) {
      row.scales = given->scales;
      check_shape(row.scales, {inputs.of(group.linears.front()).dim(1)}, row.absorber);
    } else {
      return {};
    }
    result_.search.scales.push_back(row);
    return row.scales;
  }

  void clip(const BlockInputs& inputs) {
    for (size_t i = 0; i < kLinears; ++i) {
      if (!is_clipped(i)) continue;
      const Tensor& weight = block_.linears[i].weight;
      Search::Clip row{block_.name(i), {}};
      if (options_.search.empty()) {
        row.limits = search_clips(runner_.context(), weight, inputs.of(i), options_.grid).limits;
      } else if (const Search::Clip* given = options_.search.clip_of(row.linear)) {
        row.limits = given->limits;
        check_shape(row.limits, {weight.dim(0), options_.grid.groups(weight.dim(1))}, row.linear);
      } else {
        continue;
      }
      clipped_[i] = weight.to(DType::f32);
      apply_clips(clipped_[i], row.limits, options_.grid.group);
      result_.search.clips.push_back(row);
    }
  }

  static void check_shape(const Tensor& tensor, const Shape& expected, const std::string& name) {
    if (tensor.shape() == expected) return;
    fail(ErrorCode::invalid_model,
         "search result: \"{}\": expected {}, found {}; was it made with another model or group?",
         name, expected.text(), tensor.text());
  }

  // Part after part, each on what it is given once those before it, and all earlier layers, are
  // rounded. The grids are those of plain AWQ; the weights that are rounded are not clipped, so
  // that what a clip costs is made up for as well.
  void compensate_all(Activations& activations) {
    const Tensor x = activations.quantised;
    Block rounded = block_;
    const Tensor normal = norm(block_.input_norm, x);
    compensate_group(std::array<size_t, 3>{kQ, kK, kV}, normal, rounded);
    const Tensor mixed = runner_.collect(
        [&](const BlockRunner::Visit& visit) { runner_.mix(rounded, normal, visit); });
    compensate_group(std::array<size_t, 1>{kO}, mixed, rounded);
    const Tensor h = added(x, rounded.linears[kO], mixed);
    const Tensor again = norm(block_.post_attention_norm, h);
    compensate_group(std::array<size_t, 2>{kGate, kUp}, again, rounded);
    const Tensor gated = runner_.collect(
        [&](const BlockRunner::Visit& visit) { runner_.gate_up(rounded, again, visit); });
    compensate_group(std::array<size_t, 1>{kDown}, gated, rounded);
    activations.quantised = added(h, rounded.linears[kDown], gated);
  }

  // Linears of one input x.
  void compensate_group(std::span<const size_t> linears, const Tensor& x, Block& rounded) {
    ops::Context& ctx = runner_.context();
    const ErrorModel model(ctx, gram(ctx, x), options_.damping);
    for (const size_t linear : linears) {
      QuantisedMatrix& matrix = result_.matrices[linear];
      const Tensor& weight = block_.linears[linear].weight;
      matrix = refine(ctx, weight, model, compensate(ctx, weight, model, std::move(matrix)),
                      kRefinements);
      rounded.linears[linear].weight = dequantise(matrix);
    }
  }

  Tensor norm(const Tensor& weight, const Tensor& x) const {
    return runner_.collect(
        [&](const BlockRunner::Visit& visit) { runner_.norm(weight, x, visit); });
  }

  // base + Linear(x)
  Tensor added(const Tensor& base, const BlockLinear& linear, const Tensor& x) const {
    return runner_.collect([&](const BlockRunner::Visit& visit) {
      runner_.linear(linear, x, [&](int64_t first, const Tensor& rows) {
        return visit(first,
                     ops::add(runner_.context(), base.rows(first, first + rows.dim(0)), rows));
      });
    });
  }

  // On the inputs of the exact model.
  void measure(const Tensor& x, const Tensor& exact) {
    const Tensor rounded = runner_.result(rounded_block(result_, block_.index), x);
    double change = 0;
    double added = 0;
    for (int64_t i = 0; i < x.numel(); ++i) {
      const double y = double{exact.data<float>()[i]};
      change += std::pow(double{rounded.data<float>()[i]} - y, 2);
      added += std::pow(y - double{x.data<float>()[i]}, 2);
    }
    result_.error = {change / static_cast<double>(x.numel()), added > 0 ? change / added : 0};
  }

  const BlockRunner& runner_;
  const Options& options_;
  Block block_;                           // folded, not clipped
  std::array<Tensor, kLinears> clipped_;  // weights of those that are clipped
  LayerResult result_;
};

}  // namespace

const char* method_name(Method method) noexcept {
  return kMethods[static_cast<size_t>(method)];
}

Method method_named(const std::string& name) {
  for (size_t i = 0; i < kMethods.size(); ++i) {
    if (name == kMethods[i]) return static_cast<Method>(i);
  }
  fail(ErrorCode::invalid_argument, "method \"{}\": expected one of {}", name,
       fmt::join(kMethods, ", "));
}

LayerResult quantise_layer(const BlockRunner& runner, const Block& block, const Options& options,
                           Activations& activations) {
  return LayerQuantiser(runner, block, options).run(activations);
}

Block rounded_block(const LayerResult& layer, int64_t index) {
  Block block;
  block.index = index;
  block.input_norm = layer.input_norm;
  block.post_attention_norm = layer.post_attention_norm;
  for (size_t i = 0; i < kLinears; ++i)
    block.linears[i] = {dequantise(layer.matrices[i]), layer.biases[i]};
  return block;
}

void advance(const BlockRunner& runner, const Block& block, const LayerResult& layer,
             Activations& activations) {
  const bool has_both = activations.quantised.defined();
  if (has_both) {
    activations.quantised = runner.result(rounded_block(layer, block.index), activations.quantised);
  }
  activations.exact = runner.run(block, activations.exact).result;
}

}  // namespace vila::quantize
