// SPDX-License-Identifier: Apache-2.0
#include "train/attention.h"

#include <cmath>
#include <map>

#include <ATen/Parallel.h>

#include "base/error.h"
#include "base/numeric.h"
#include "train/fused.h"
#include "train/torch_compat.h"
#include "train/torch_types.h"

namespace vila::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// Lengths that groups have: steps of about a quarter, so that padding stays below that.
int64_t group_length(int64_t rows) {
  int64_t step = 8;
  while (rows > 4 * step)
    step *= 2;
  return round_up(rows, step);
}

/// Samples padded to one length.
struct Group {
  int64_t samples = 0;
  int64_t length = 0;
  at::Tensor index;  // i64 [samples * length]: row of each slot, -1 for padding

  fused::HeadLayout layout(int64_t heads, int64_t head_dim) const {
    return {length, heads, head_dim, index.data_ptr<int64_t>()};
  }
};

/// x [rows, heads * head_dim] as [samples * heads, length, head_dim] of one group.
at::Tensor split_heads(const at::Tensor& x, const Group& group, int64_t heads) {
  const int64_t head_dim = x.size(1) / heads;
  const at::Tensor out = at::empty({group.samples * heads, group.length, head_dim}, x.options());
  with_type(x, [&](auto tag) {
    using T = decltype(tag);
    at::parallel_for(0, group.samples, 1, [&](int64_t begin, int64_t end) {
      fused::split_heads(begin, end, group.layout(heads, head_dim), pointer<const T>(x),
                         pointer<T>(out));
    });
  });
  return out;
}

/// The way back, into the group's rows of `out`.
void merge_heads(const at::Tensor& x, const Group& group, int64_t heads, const at::Tensor& out) {
  const int64_t head_dim = x.size(2);
  with_type(x, [&](auto tag) {
    using T = decltype(tag);
    at::parallel_for(0, group.samples, 1, [&](int64_t begin, int64_t end) {
      fused::merge_heads(begin, end, group.layout(heads, head_dim), pointer<const T>(x),
                         pointer<T>(out));
    });
  });
}

void softmax_in_place(const at::Tensor& scores, const fused::Softmax& options) {
  with_type(scores, [&](auto tag) {
    using T = decltype(tag);
    for_rows(scores, [&](fused::Rows rows) { fused::softmax(rows, options, pointer<T>(scores)); });
  });
}

void softmax_gradient_in_place(const at::Tensor& probabilities, const fused::Softmax& options,
                               const at::Tensor& grad) {
  with_type(grad, [&](auto tag) {
    using T = decltype(tag);
    for_rows(grad, [&](fused::Rows rows) {
      fused::softmax_grad(rows, options, pointer<const T>(probabilities), pointer<T>(grad));
    });
  });
}

/// What the custom function needs beside tensors.
struct PackedOptions {
  const std::vector<Group>* groups;
  int64_t heads;
  bool is_causal;
};

/// Attention of all groups on the CPU. Keeps q, k, v and the probabilities for the backward pass.
struct PackedAttention : Function<PackedAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, PackedOptions options) {
    const fused::Softmax softmax{scale_of(q, options), options.is_causal};
    const at::Tensor out = at::empty_like(q);
    variable_list saved;
    for (const Group& group : *options.groups) {
      const at::Tensor qs = split_heads(q, group, options.heads);
      const at::Tensor ks = split_heads(k, group, options.heads);
      const at::Tensor vs = split_heads(v, group, options.heads);
      const at::Tensor probabilities = at::bmm(qs, ks.transpose(1, 2));
      softmax_in_place(probabilities, softmax);
      merge_heads(at::bmm(probabilities, vs), group, options.heads, out);
      saved.insert(saved.end(), {qs, ks, vs, probabilities, group.index});
    }
    context->saved_data["heads"] = options.heads;
    context->saved_data["is_causal"] = options.is_causal;
    context->save_for_backward(std::move(saved));
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const int64_t heads = context->saved_data["heads"].toInt();
    const at::Tensor grad = grads[0].contiguous();
    const at::Tensor grad_q = at::empty_like(grad);
    const at::Tensor grad_k = at::empty_like(grad);
    const at::Tensor grad_v = at::empty_like(grad);
    for (size_t i = 0; i < saved.size(); i += 5) {
      const at::Tensor& q = saved[i];
      const at::Tensor& probabilities = saved[i + 3];
      const Group group{q.size(0) / heads, q.size(1), saved[i + 4]};
      const fused::Softmax softmax{1.0F / std::sqrt(static_cast<float>(q.size(2))),
                                   context->saved_data["is_causal"].toBool()};
      const at::Tensor grad_out = split_heads(grad, group, heads);
      merge_heads(at::bmm(probabilities.transpose(1, 2), grad_out), group, heads, grad_v);
      const at::Tensor grad_scores = at::bmm(grad_out, saved[i + 2].transpose(1, 2));
      softmax_gradient_in_place(probabilities, softmax, grad_scores);
      merge_heads(at::bmm(grad_scores, saved[i + 1]), group, heads, grad_q);
      merge_heads(at::bmm(grad_scores.transpose(1, 2), q), group, heads, grad_k);
    }
    return {grad_q, grad_k, grad_v, at::Tensor()};
  }

  static float scale_of(const at::Tensor& q, const PackedOptions& options) {
    return 1.0F / std::sqrt(static_cast<float>(q.size(1) / options.heads));
  }
};

/// Rows with every head of k or v repeated for the queries that share it.
at::Tensor repeat_heads(const at::Tensor& x, int64_t kv_heads, int64_t heads) {
  if (kv_heads == heads) return x.contiguous();
  return x.view({x.size(0), kv_heads, -1}).repeat_interleave(heads / kv_heads, 1).flatten(1);
}

}  // namespace

struct AttentionPlan::State {
  std::vector<Group> groups;
};

AttentionPlan::AttentionPlan(const std::vector<int64_t>& starts, const std::string& device)
    : state_(std::make_unique<State>()) {
  std::map<int64_t, std::vector<size_t>> by_length;
  bool is_uniform = true;
  for (size_t i = 0; i + 1 < starts.size(); ++i) {
    is_uniform = is_uniform && starts[i + 1] - starts[i] == starts[1] - starts[0];
  }
  for (size_t i = 0; i + 1 < starts.size(); ++i) {
    const int64_t rows = starts[i + 1] - starts[i];
    by_length[is_uniform ? rows : group_length(rows)].push_back(i);
  }
  for (const auto& [length, samples] : by_length) {
    std::vector<int64_t> index;
    for (const size_t sample : samples) {
      for (int64_t row = starts[sample]; row < starts[sample] + length; ++row) {
        index.push_back(row < starts[sample + 1] ? row : -1);
      }
    }
    state_->groups.push_back({static_cast<int64_t>(samples.size()), length,
                              at::tensor(index, at::kLong).to(at::Device(device))});
  }
}

AttentionPlan::~AttentionPlan() = default;
AttentionPlan::AttentionPlan(AttentionPlan&&) noexcept = default;

at::Tensor AttentionPlan::attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                 int64_t heads, bool is_causal) const {
  VILA_CHECK(is_causal || state_->groups.size() == 1);
  const int64_t head_dim = q.size(1) / heads;
  const int64_t kv_heads = k.size(1) / head_dim;
  const at::Tensor keys = repeat_heads(k, kv_heads, heads);
  const at::Tensor values = repeat_heads(v, kv_heads, heads);
  if (q.is_cpu()) {
    return PackedAttention::apply(q.contiguous(), keys, values,
                                  PackedOptions{&state_->groups, heads, is_causal});
  }
  at::Tensor out = at::zeros_like(q);
  for (const Group& group : state_->groups) {
    const auto arrange = [&](const at::Tensor& x) {
      return x.index_select(0, group.index.clamp_min(0))
          .view({group.samples, group.length, heads, head_dim})
          .transpose(1, 2);
    };
    const at::Tensor mixed =
        attend_by_operators(arrange(q), arrange(keys), arrange(values), is_causal);
    const at::Tensor slots = (group.index >= 0).nonzero().squeeze(1);
    const at::Tensor rows = mixed.transpose(1, 2).reshape({-1, q.size(1)}).index_select(0, slots);
    out = at::index_copy(out, 0, group.index.index_select(0, slots), rows);
  }
  return out;
}

}  // namespace vila::train
