// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.h"

#include <cmath>

#include <ATen/Parallel.h>

#include "base/error.h"
#include "train/fused.h"
#include "train/torch_compat.h"

namespace vila::train {
namespace {

constexpr int64_t kGrain = 1 << 15;

double rate_of(const OptimizerRecipe& recipe, spec::Part part) {
  const char* name = part == spec::Part::llm            ? "llm"
                     : part == spec::Part::mm_projector ? "mm_projector"
                                                        : "vision_tower";
  const auto found = recipe.part_lr.find(name);
  return found == recipe.part_lr.end() ? recipe.lr : found->second;
}

/// The same step by ATen operators, for devices other than the CPU.
void adamw_by_operators(const at::Tensor& parameter, const at::Tensor& mean,
                        const at::Tensor& variance, const fused::AdamW& args) {
  const at::Tensor grad = parameter.grad() * args.grad_scale;
  mean.lerp_(grad, 1.0 - args.beta1);
  variance.mul_(args.beta2).addcmul_(grad, grad, 1.0 - args.beta2);
  parameter.mul_(1.0 - args.lr * args.decay);
  const at::Tensor denominator = variance.sqrt().div_(std::sqrt(args.correction2)).add_(args.eps);
  parameter.addcdiv_(mean, denominator, -args.lr / args.correction1);
}

}  // namespace

struct Optimizer::State {
  struct Moments {
    int64_t row;
    at::Tensor mean;
    at::Tensor variance;
  };

  ParameterSet parameters;
  OptimizerRecipe recipe;
  std::vector<Moments> moments;
  int64_t steps = 0;
};

Optimizer::Optimizer(const ParameterSet& parameters, const OptimizerRecipe& recipe)
    : state_(new State{parameters, recipe, {}, 0}) {
  for (int64_t i = 0; i < parameters.size(); ++i) {
    if (parameters.is_frozen(i)) continue;
    const at::Tensor zeros = at::zeros_like(parameters.tensor(i).detach());
    state_->moments.push_back({i, zeros, zeros.clone()});
  }
}

Optimizer::~Optimizer() = default;

double Optimizer::step(double factor, double max_grad_norm) {
  at::NoGradGuard no_grad;
  double squares = 0.0;
  for (const State::Moments& moments : state_->moments) {
    const at::Tensor& grad = state_->parameters.tensor(moments.row).grad();
    if (grad.defined()) squares += std::pow(grad.norm().item<double>(), 2.0);
  }
  const double norm = std::sqrt(squares);
  const bool is_clipped = max_grad_norm > 0.0 && norm + 1e-6 > max_grad_norm;
  const double scale = is_clipped ? max_grad_norm / (norm + 1e-6) : 1.0;
  const OptimizerRecipe& recipe = state_->recipe;
  if (std::isfinite(norm)) ++state_->steps;
  const auto t = static_cast<double>(state_->steps);
  for (const State::Moments& moments : state_->moments) {
    const spec::Parameter& row = state_->parameters.row(moments.row);
    const at::Tensor& parameter = state_->parameters.tensor(moments.row);
    if (!parameter.grad().defined()) continue;
    if (std::isfinite(norm)) {
      const at::Tensor grad = parameter.grad().contiguous();
      const fused::AdamW args{
          .parameter = static_cast<float*>(parameter.data_ptr()),
          .grad = static_cast<const float*>(grad.data_ptr()),
          .mean = static_cast<float*>(moments.mean.data_ptr()),
          .variance = static_cast<float*>(moments.variance.data_ptr()),
          .grad_scale = static_cast<float>(scale),
          .lr = static_cast<float>(rate_of(recipe, row.part) * factor),
          .beta1 = static_cast<float>(recipe.beta1),
          .beta2 = static_cast<float>(recipe.beta2),
          .eps = static_cast<float>(recipe.eps),
          .decay = static_cast<float>(row.has_decay ? recipe.weight_decay : 0.0),
          .correction1 = static_cast<float>(1.0 - std::pow(recipe.beta1, t)),
          .correction2 = static_cast<float>(1.0 - std::pow(recipe.beta2, t))};
      if (parameter.is_cpu()) {
        at::parallel_for(0, parameter.numel(), kGrain,
                         [&](int64_t begin, int64_t end) { fused::adamw(begin, end, args); });
      } else {
        adamw_by_operators(parameter, moments.mean, moments.variance, args);
      }
    }
    parameter.mutable_grad().reset();
  }
  return norm;
}

int64_t Optimizer::steps() const {
  return state_->steps;
}

std::vector<formats::NamedTensor> Optimizer::state() const {
  std::vector<formats::NamedTensor> tensors;
  for (const State::Moments& moments : state_->moments) {
    const std::string& name = state_->parameters.row(moments.row).name;
    tensors.push_back({"mean." + name, from_torch(moments.mean)});
    tensors.push_back({"variance." + name, from_torch(moments.variance)});
  }
  return tensors;
}

void Optimizer::restore(const formats::SafetensorsFile& state, int64_t steps,
                        const std::string& source) {
  state_->steps = steps;
  const auto copy = [&](const at::Tensor& target, const std::string& name) {
    const auto found = state.tensors.find(name);
    if (found == state.tensors.end() || found->second.numel() != target.numel()) {
      fail(ErrorCode::invalid_model, "{}: moment {} is missing or misshaped; was `freeze` changed?",
           source, name);
    }
    target.copy_(to_torch(found->second));
  };
  for (const State::Moments& moments : state_->moments) {
    const std::string& name = state_->parameters.row(moments.row).name;
    copy(moments.mean, "mean." + name);
    copy(moments.variance, "variance." + name);
  }
}

}  // namespace vila::train
