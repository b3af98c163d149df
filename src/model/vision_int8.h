// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/thread_pool.h"
#include "model/weights.h"
#include "spec/config.h"

namespace vila::model {

/// Largest |x| of each channel of what the norms of a vision tower put out, f32 [C], by layer and
/// norm: "vision.layer.3.norm1", "vision.layer.3.norm2".
using ActivationMaxima = std::map<std::string, Tensor, std::less<>>;

/// Raises the maxima by what an observer of the tower is shown (ops::Context::observer): x [., C]
/// of a norm; any other name is left aside.
void record_maximum(std::string_view name, const Tensor& x, ActivationMaxima& maxima);

/// The factors [K] that SmoothQuant moves from a norm into the Linears behind it (Xiao et al.,
/// "SmoothQuant", 2023; alpha as llm-awq takes it for vision towers):
///
///   s[k] = max(act_max[k]^alpha / w_max[k]^(1 - alpha), 1e-5),   w_max[k] = max |w[.][k]|, >= 1e-5
///
/// The norm's weight and bias are divided by s, column k of each weight is multiplied with s[k].
/// @param act_max  f32 [K]. @param weights  f32 [N, K] each: all that read the norm.
Tensor smoothing_scales(const Tensor& act_max, std::span<const Tensor> weights);

/// What the maxima behind a norm are without recorded ones: four standard deviations,
/// 4 |weight[k]| + |bias[k]|. @param bias  undefined: none.
Tensor expected_maxima(const Tensor& weight, const Tensor& bias);

/// Columns of an int8 Linear of `in` inputs that share a scale, of weights and of activations: the
/// whole row, or the largest part of it that kernels multiply at once (see is_narrow of
/// PackedMatrix); a divisor of `in`, and a multiple of 4 where `in` is one.
int64_t int8_vision_group(int64_t in);

/// W8A8 for the vision tower and the projector: their Linears in narrow 8-bit codes with a scale
/// for each output and int8_vision_group() of its inputs (activations get one for each row and
/// group when they run), the norms of the tower smoothed. Linears that are packed already, or whose
/// inputs are no multiple of 4, stay as they are, and so does what is no Linear of a layer:
/// patches, positions, the projector's own norms.
/// @param root    the place of all tensors. @param maxima  may lack any norm: see
/// expected_maxima().
/// @return the tensors and matrices that change, by their full names.
/// @throws Error{invalid_model} weights that are not finite.
std::map<std::string, Matrix, std::less<>> int8_vision(const Weights& root,
                                                       const spec::VilaConfig& config,
                                                       const ActivationMaxima& maxima,
                                                       ThreadPool& pool);

}  // namespace vila::model
