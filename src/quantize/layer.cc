// SPDX-License-Identifier: Apache-2.0
#include "quantize/layer.h"

#include <cmath>

#include "base/error.h"
#include "quantize/second_order.h"

namespace vila::quantize {
namespace {

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
    const bool has_search = options_.method != Method::rtn;
    BlockInputs inputs = runner_.run(block_, x);
    if (has_search) fold(inputs);
    if (options_.method == Method::awq) clip(inputs);
    if (options_.method == Method::awq_second) {
      inputs.attention = inputs.output = inputs.mlp = inputs.down = Tensor();
      compensate_all(activations);
    } else {
      for (size_t i = 0; i < kLinears; ++i)
        result_.matrices[i] = round(i);
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
    return quantise(block_.linears[linear].weight, options_.grid, runner_.context().pool,
                    block_.name(linear));
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
      Tensor& weight = block_.linears[i].weight;
      Search::Clip row{block_.name(i), {}};
      if (options_.search.empty()) {
        row.limits = search_clips(runner_.context(), weight, inputs.of(i), options_.grid).limits;
      } else if (const Search::Clip* given = options_.search.clip_of(row.linear)) {
        row.limits = given->limits;
        check_shape(row.limits, {weight.dim(0), options_.grid.groups(weight.dim(1))}, row.linear);
      } else {
        continue;
      }
      weight = weight.to(DType::f32);
      apply_clips(weight, row.limits, options_.grid.group);
      result_.search.clips.push_back(row);
    }
  }

  static void check_shape(const Tensor& tensor, const Shape& expected, const std::string& name) {
    if (tensor.shape() == expected) return;
    fail(ErrorCode::invalid_model,
         "search result: \"{}\": expected {}, found {}; was it made with another model or group?",
         name, expected.text(), tensor.text());
  }

  // In the order in which the parts of the layer feed one another: each is fitted to what the exact
  // layer computes, from what the quantised one gives it.
  void compensate_all(Activations& activations) {
    const Tensor exact = activations.exact;
    const Tensor given = activations.quantised.defined() ? activations.quantised : exact;
    Block rounded = block_;
    const Tensor a = norm(block_.input_norm, exact);
    const Tensor b = norm(block_.input_norm, given);
    compensate_group(std::array<size_t, 3>{kQ, kK, kV}, a, b, rounded);
    compensate_group(std::array<size_t, 1>{kO}, mixed(block_, a), mixed(rounded, b), rounded);
    compensate_mlp(after_attention(block_, a, exact), after_attention(rounded, b, given), rounded,
                   activations);
  }

  void compensate_mlp(const Tensor& exact, const Tensor& given, Block& rounded,
                      Activations& activations) {
    const Tensor a = norm(block_.post_attention_norm, exact);
    const Tensor b = norm(block_.post_attention_norm, given);
    compensate_group(std::array<size_t, 2>{kGate, kUp}, a, b, rounded);
    compensate_group(std::array<size_t, 1>{kDown}, gated(block_, a), gated(rounded, b), rounded);
    Tensor next = Tensor::empty(DType::f32, given.shape());
    runner_.mlp(rounded, b, adder(given, next));
    activations.quantised = next;
  }

  // Weights whose products with `given` come as near as they can to those with `exact`, rounded.
  template <size_t kCount>
  void compensate_group(const std::array<size_t, kCount>& linears, const Tensor& exact,
                        const Tensor& given, Block& rounded) {
    ops::Context& ctx = runner_.context();
    const ErrorModel model(ctx, cross_moments(ctx, given, given), options_.damping);
    const Drift drift = drift_of(exact, given, model, linears.size());
    for (const size_t linear : linears) {
      const Tensor target = retargeted(block_.linears[linear].weight, drift, model);
      result_.matrices[linear] = compensate(ctx, target, model, options_.grid);
      rounded.linears[linear].weight = dequantise(result_.matrices[linear]);
    }
  }

  // C = (exact - given)^T given / T, transposed; or C H^-1, transposed, where it pays to solve once
  // for several Linears.
  struct Drift {
    Tensor moments;
    bool is_solved = false;
  };

  Drift drift_of(const Tensor& exact, const Tensor& given, const ErrorModel& model,
                 size_t linears) const {
    const Tensor difference = exact.to(DType::f32);
    for (int64_t i = 0; i < difference.numel(); ++i)
      difference.data<float>()[i] -= given.data<float>()[i];
    ops::Context& ctx = runner_.context();
    if (linears == 1) return {cross_moments(ctx, given, difference), false};
    const Tensor solved = model.solve(ctx, cross_moments(ctx, difference, given));
    const int64_t size = model.size();
    Tensor moments = Tensor::empty(DType::f32, {size, size});
    for (int64_t i = 0; i < moments.numel(); ++i)
      moments.data<float>()[i] = solved.data<float>()[i % size * size + i / size];
    return {moments, true};
  }

  // W + W C H^-1: the least squares fit of W x_exact by x_given.
  Tensor retargeted(const Tensor& weight, const Drift& drift, const ErrorModel& model) const {
    ops::Context& ctx = runner_.context();
    const ArenaScope scope(ctx.arena);
    const Tensor product = ops::linear(ctx, weight, drift.moments, {});
    const Tensor change = drift.is_solved ? product : model.solve(ctx, product);
    Tensor target = weight.to(DType::f32);
    for (int64_t i = 0; i < target.numel(); ++i)
      target.data<float>()[i] += change.data<float>()[i];
    return target;
  }

  Tensor norm(const Tensor& weight, const Tensor& x) const {
    return runner_.collect(
        [&](const BlockRunner::Visit& visit) { runner_.norm(weight, x, visit); });
  }

  Tensor mixed(const Block& block, const Tensor& x) const {
    return runner_.collect([&](const BlockRunner::Visit& visit) { runner_.mix(block, x, visit); });
  }

  Tensor gated(const Block& block, const Tensor& x) const {
    return runner_.collect(
        [&](const BlockRunner::Visit& visit) { runner_.gate_up(block, x, visit); });
  }

  BlockRunner::Visit adder(const Tensor& base, const Tensor& target) const {
    return [base, target](int64_t first, const Tensor& rows) {
      const float* b = base.rows(first, first + rows.dim(0)).data<float>();
      float* t = target.rows(first, first + rows.dim(0)).data<float>();
      for (int64_t i = 0; i < rows.numel(); ++i)
        t[i] = b[i] + rows.data<float>()[i];
    };
  }

  Tensor after_attention(const Block& block, const Tensor& normal, const Tensor& x) const {
    Tensor h = Tensor::empty(DType::f32, x.shape());
    runner_.attention(block, normal, adder(x, h));
    return h;
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
  Block block_;
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
