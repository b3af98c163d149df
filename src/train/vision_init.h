// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "spec/config.h"
#include "train/parameter_set.h"

namespace vila::train {

/// Gives a vision tower the start of a small convolutional network: positions are codes in channels
/// of their own, each head of a layer looks at one neighbour (which, differs from layer to layer),
/// and the layers from `first_layers` on add nothing until they are trained. A transformer that
/// starts so learns from thousands of pictures what takes a random one millions (Zheng et al. 2024,
/// "Structured Initialization for Attention in Vision Transformers").
/// Towers too narrow for a head of codes beside the picture keep the start they have.
/// @param first_layers  encoder layers that are active at the first step, 1..num_hidden_layers.
void structured_init(const ParameterSet& parameters, const spec::VisionConfig& config,
                     int64_t first_layers, uint64_t seed);

}  // namespace vila::train
