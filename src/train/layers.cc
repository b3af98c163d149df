// SPDX-License-Identifier: Apache-2.0
#include "train/layers.h"

#include <vector>

#include <ATen/Parallel.h>

#include "train/fused.h"
#include "train/torch_compat.h"
#include "train/torch_types.h"

namespace vila::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr int64_t kLossBlock = 1024;  // rows of logits at a time

at::ScalarType type_of(Precision precision) {
  return precision == Precision::bf16 ? at::kBFloat16 : at::kFloat;
}

/// Partial sums of a gradient by weight: one per block of rows, added in order, so that the bits do
/// not depend on the number of threads.
constexpr int64_t kSumBlock = 256;

template <typename Body>
void for_sum_blocks(int64_t rows, const Body& body) {
  at::parallel_for(0, (rows + kSumBlock - 1) / kSumBlock, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      body(block, block * kSumBlock, std::min((block + 1) * kSumBlock, rows));
    }
  });
}

struct RmsNorm : Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            double eps, bool is_bf16) {
    const at::Tensor y = at::empty_like(x, x.options().dtype(is_bf16 ? at::kBFloat16 : at::kFloat));
    const at::Tensor rstd = at::empty({x.size(0)}, x.options());
    with_type(y, [&](auto tag) {
      using T = decltype(tag);
      for_rows(x, [&](fused::Rows rows) {
        fused::rms_norm(rows, pointer<float>(x), pointer<float>(weight), static_cast<float>(eps),
                        pointer<T>(y), pointer<float>(rstd));
      });
    });
    context->save_for_backward({x, weight, rstd});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor grad = grads[0].contiguous();
    const at::Tensor grad_x = at::empty_like(x);
    const int64_t width = x.size(1);
    const at::Tensor partial =
        at::zeros({(x.size(0) + kSumBlock - 1) / kSumBlock, width}, x.options());
    with_type(grad, [&](auto tag) {
      using T = decltype(tag);
      for_sum_blocks(x.size(0), [&](int64_t block, int64_t begin, int64_t end) {
        const fused::RmsNormGrad<T> args{
            pointer<T>(grad),         pointer<float>(x),
            pointer<float>(saved[1]), pointer<float>(saved[2]),
            pointer<float>(grad_x),   pointer<float>(partial) + block * width};
        fused::rms_norm_grad({begin, end, width}, args);
      });
    });
    return {grad_x, partial.sum(0), at::Tensor(), at::Tensor()};
  }
};

struct LayerNorm : Function<LayerNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, double eps, bool is_bf16) {
    const at::Tensor y = at::empty_like(x, x.options().dtype(is_bf16 ? at::kBFloat16 : at::kFloat));
    const at::Tensor mean = at::empty({x.size(0)}, x.options());
    const at::Tensor rstd = at::empty({x.size(0)}, x.options());
    with_type(y, [&](auto tag) {
      using T = decltype(tag);
      const fused::LayerNorm<T> args{
          pointer<float>(x), pointer<float>(weight), pointer<float>(bias), static_cast<float>(eps),
          pointer<T>(y),     pointer<float>(mean),   pointer<float>(rstd)};
      for_rows(x, [&](fused::Rows rows) { fused::layer_norm(rows, args); });
    });
    context->save_for_backward({x, weight, mean, rstd});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const int64_t width = x.size(1);
    const at::Tensor grad = grads[0].contiguous();
    const at::Tensor grad_x = at::empty_like(x);
    const at::Tensor partial =
        at::zeros({2, (x.size(0) + kSumBlock - 1) / kSumBlock, width}, x.options());
    with_type(grad, [&](auto tag) {
      using T = decltype(tag);
      for_sum_blocks(x.size(0), [&](int64_t block, int64_t begin, int64_t end) {
        const fused::LayerNormGrad<T> args{pointer<T>(grad),
                                           pointer<float>(x),
                                           pointer<float>(saved[1]),
                                           pointer<float>(saved[2]),
                                           pointer<float>(saved[3]),
                                           pointer<float>(grad_x),
                                           pointer<float>(partial[0]) + block * width,
                                           pointer<float>(partial[1]) + block * width};
        fused::layer_norm_grad({begin, end, width}, args);
      });
    });
    const at::Tensor sums = partial.sum(1);
    return {grad_x, sums[0], sums[1], at::Tensor(), at::Tensor()};
  }
};

struct Swiglu : Function<Swiglu> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    const at::Tensor out = at::empty_like(gate);
    with_type(gate, [&](auto tag) {
      using T = decltype(tag);
      for_rows(gate, [&](fused::Rows rows) {
        fused::swiglu(rows, pointer<const T>(gate), pointer<const T>(up), pointer<T>(out));
      });
    });
    context->save_for_backward({gate, up});
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous();
    const at::Tensor grad_gate = at::empty_like(grad);
    const at::Tensor grad_up = at::empty_like(grad);
    with_type(grad, [&](auto tag) {
      using T = decltype(tag);
      const fused::SwigluGrad<T> args{pointer<T>(grad), pointer<T>(saved[0]), pointer<T>(saved[1]),
                                      pointer<T>(grad_gate), pointer<T>(grad_up)};
      for_rows(grad, [&](fused::Rows rows) { fused::swiglu_grad(rows, args); });
    });
    return {grad_gate, grad_up};
  }
};

struct QuickGelu : Function<QuickGelu> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x) {
    const at::Tensor out = at::empty_like(x);
    with_type(x, [&](auto tag) {
      using T = decltype(tag);
      for_rows(x, [&](fused::Rows rows) {
        fused::quick_gelu(rows, pointer<const T>(x), pointer<T>(out));
      });
    });
    context->save_for_backward({x});
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const at::Tensor x = context->get_saved_variables()[0];
    const at::Tensor grad = grads[0].contiguous();
    const at::Tensor grad_x = at::empty_like(x);
    with_type(x, [&](auto tag) {
      using T = decltype(tag);
      for_rows(x, [&](fused::Rows rows) {
        fused::quick_gelu_grad(rows, pointer<const T>(grad), pointer<const T>(x),
                               pointer<T>(grad_x));
      });
    });
    return {grad_x};
  }
};

at::Tensor turn(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine,
                int64_t head_dim, float direction) {
  const at::Tensor out = at::empty_like(x);
  with_type(x, [&](auto tag) {
    using T = decltype(tag);
    const fused::Rope<T> args{pointer<T>(x), pointer<float>(cosine), pointer<float>(sine), head_dim,
                              direction,     pointer<T>(out)};
    for_rows(x, [&](fused::Rows rows) { fused::rope(rows, args); });
  });
  return out;
}

struct Rope : Function<Rope> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cosine,
                            const at::Tensor& sine, int64_t head_dim) {
    context->save_for_backward({cosine, sine});
    context->saved_data["head_dim"] = head_dim;
    return turn(x, cosine, sine, head_dim, 1.0F);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const int64_t head_dim = context->saved_data["head_dim"].toInt();
    return {turn(grads[0].contiguous(), saved[0], saved[1], head_dim, -1.0F), at::Tensor(),
            at::Tensor(), at::Tensor()};
  }
};

struct PickRows : Function<PickRows> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& index) {
    context->save_for_backward({index});
    context->saved_data["rows"] = x.size(0);
    return x.index_select(0, index);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    std::vector<int64_t> sizes = grads[0].sizes().vec();
    sizes[0] = context->saved_data["rows"].toInt();
    const at::Tensor out = at::zeros(sizes, grads[0].options());
    return {out.index_copy_(0, context->get_saved_variables()[0], grads[0]), at::Tensor()};
  }
};

/// Turns logits into scale * (softmax - one_hot) in place; returns the sum of the losses.
double softmax_gradient(const at::Tensor& logits, const at::Tensor& targets, double scale) {
  if (!logits.is_cpu()) {
    const at::Tensor log_probability = logits.to(at::kFloat).log_softmax(-1);
    const at::Tensor column = targets.unsqueeze(1);
    const double loss = -log_probability.gather(1, column).sum().item<double>();
    at::Tensor grad = log_probability.exp();
    grad.scatter_add_(1, column, at::full_like(column, -1, grad.options()));
    logits.copy_(grad * scale);
    return loss;
  }
  const at::Tensor loss = at::empty({logits.size(0)}, at::kFloat);
  with_type(logits, [&](auto tag) {
    using T = decltype(tag);
    for_rows(logits, [&](fused::Rows rows) {
      fused::cross_entropy(rows, pointer<T>(logits), pointer<int64_t>(targets),
                           static_cast<float>(scale), pointer<float>(loss));
    });
  });
  return loss.sum(at::kDouble).item<double>();
}

struct LossOptions {
  bool is_bf16;
  bool is_trained;         // a gradient will be asked for
  bool is_weight_trained;  // also by the weight
};

struct LinearCrossEntropy : Function<LinearCrossEntropy> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden,
                            const at::Tensor& weight, const at::Tensor& targets,
                            LossOptions options) {
    const auto type = options.is_bf16 ? at::kBFloat16 : at::kFloat;
    const at::Tensor x = hidden.to(type);
    const at::Tensor w = weight.to(type);
    const int64_t rows = x.size(0);
    at::Tensor grad_x = at::empty_like(x);
    at::Tensor grad_w = options.is_weight_trained ? at::zeros_like(weight) : at::Tensor();
    double loss = 0.0;
    for (int64_t begin = 0; begin < rows; begin += kLossBlock) {
      const int64_t count = std::min(kLossBlock, rows - begin);
      const at::Tensor block = x.narrow(0, begin, count);
      const at::Tensor logits = at::matmul(block, w.t()).contiguous();
      loss += softmax_gradient(logits, targets.narrow(0, begin, count).contiguous(),
                               1.0 / static_cast<double>(rows));
      if (!options.is_trained) continue;
      grad_x.narrow(0, begin, count).copy_(at::matmul(logits, w));
      if (grad_w.defined()) grad_w.add_(at::matmul(logits.t(), block));
    }
    context->save_for_backward({grad_x.to(hidden.scalar_type()), grad_w});
    return at::full({}, loss / static_cast<double>(rows), hidden.options().dtype(at::kFloat));
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor grad_w = saved[1].defined() ? saved[1] * grads[0] : at::Tensor();
    return {saved[0] * grads[0].to(saved[0].scalar_type()), grad_w, at::Tensor(), at::Tensor()};
  }
};

at::Tensor rope_by_operators(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine,
                             int64_t head_dim) {
  const at::Tensor heads = x.view({x.size(0), -1, head_dim}).to(at::kFloat);
  const auto halves = heads.chunk(2, -1);
  const at::Tensor c = cosine.unsqueeze(1);
  const at::Tensor s = sine.unsqueeze(1);
  const at::Tensor low = halves[0] * c - halves[1] * s;
  const at::Tensor high = halves[1] * c + halves[0] * s;
  return at::cat({low, high}, -1).to(x.scalar_type()).view(x.sizes());
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  Precision precision) {
  const auto type = type_of(precision);
  return at::linear(x.to(type), weight.to(type), bias.defined() ? bias.to(type) : bias);
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                    Precision precision) {
  if (x.is_cpu()) return RmsNorm::apply(x.contiguous(), weight, eps, precision == Precision::bf16);
  const at::Tensor scale = at::rsqrt(x.square().mean(-1, true) + eps);
  return (x * scale * weight).to(type_of(precision));
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      double eps, Precision precision) {
  if (x.is_cpu()) {
    return LayerNorm::apply(x.contiguous(), weight, bias, eps, precision == Precision::bf16);
  }
  return at::layer_norm(x, {x.size(-1)}, weight, bias, eps).to(type_of(precision));
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  if (gate.is_cpu()) return Swiglu::apply(gate.contiguous(), up.contiguous());
  return at::silu(gate) * up;
}

at::Tensor quick_gelu(const at::Tensor& x) {
  if (x.is_cpu()) return QuickGelu::apply(x.contiguous());
  return x * at::sigmoid(x * 1.702);
}

at::Tensor rope(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine,
                int64_t head_dim) {
  if (x.is_cpu()) return Rope::apply(x.contiguous(), cosine, sine, head_dim);
  return rope_by_operators(x, cosine, sine, head_dim);
}

at::Tensor pick_rows(const at::Tensor& x, const at::Tensor& index) {
  return PickRows::apply(x, index);
}

at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight,
                                const at::Tensor& targets, Precision precision) {
  const bool is_trained = at::GradMode::is_enabled() && hidden.requires_grad();
  const bool is_weight_trained = at::GradMode::is_enabled() && weight.requires_grad();
  const LossOptions options{precision == Precision::bf16, is_trained || is_weight_trained,
                            is_weight_trained};
  return LinearCrossEntropy::apply(hidden, weight, targets, options);
}

}  // namespace vila::train
