// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "quantize/block.h"
#include "quantize/clip_search.h"
#include "quantize/grid.h"
#include "quantize/scale_search.h"
#include "quantize/search_file.h"

namespace vila::quantize {

/// How the codes of a layer are found.
enum class Method {
  rtn,         // each weight to the nearest value of its grid
  awq,         // scales and clips of AWQ first
  awq_second,  // scales of AWQ, then rounding errors made up for (second_order.h)
};

/// "rtn", "awq", "awq+gptq"
const char* method_name(Method method) noexcept;
/// @throws Error{invalid_argument} listing the names.
Method method_named(const std::string& name);

/// Options of a whole run.
struct Options {
  Method method = Method::awq;
  GridOptions grid;
  double damping = 0.1;  // of second_order.h; measured in docs/quantization.md
  Search search{};       // scales and clips to use instead of searching; empty: search
};

/// What the layer computes with its codes, against what it computed before, on the same inputs.
struct LayerError {
  double mean_square = 0;  // of the change of the layer's output
  double relative = 0;  // the same as a share of the mean square that the layer adds to its input
};

/// One layer, quantised.
struct LayerResult {
  Tensor input_norm;           // f32 [D], folded
  Tensor post_attention_norm;  // f32 [D], folded
  std::array<QuantisedMatrix, kLinears> matrices;
  std::array<Tensor, kLinears> biases;  // f32, folded; undefined where there is none
  Search search;                        // what was searched or taken over, by full names
  LayerError error;
};

/// Calibration rows between two layers.
struct Activations {
  Tensor exact;      // [T, D]: what the layer is given in the unchanged model
  Tensor quantised;  // [T, D]: and in the model whose earlier layers are quantised; needed by
                     // awq_second, undefined for methods that do not look at it
};

/// Quantises one layer and moves the activations on to the next.
/// AWQ searches every layer on the inputs of the unchanged model, as the reference does; the second
/// order also needs those in the model that is quantised so far, which it rounds on.
LayerResult quantise_layer(const BlockRunner& runner, const Block& block, const Options& options,
                           Activations& activations);

/// The layer with the values of its codes, to be run.
Block rounded_block(const LayerResult& layer, int64_t index);

/// Moves the activations through a layer that is quantised already: what follows is bit for bit
/// what quantise_layer() would have left.
void advance(const BlockRunner& runner, const Block& block, const LayerResult& layer,
             Activations& activations);

}  // namespace vila::quantize
