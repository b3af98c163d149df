// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "formats/weight_file.h"
#include "ops/context.h"
#include "quantize/calibration.h"
#include "quantize/layer.h"
#include "spec/config.h"

namespace vila::quantize {

/// What is quantised: tensors "model.layers.…" and the decoder that they make.
struct Model {
  const formats::TensorMap& tensors;
  const spec::DecoderConfig& config;
};

/// After each layer. Seconds are an estimate from the layers of this run.
struct Progress {
  int64_t done = 0;
  int64_t total = 0;
  double seconds_left = 0;
  bool is_resumed = false;  // the layer was there already
  LayerError error;
};

using OnProgress = std::function<void(const Progress&)>;

/// Where finished layers are kept.
struct WorkFolder {
  std::filesystem::path path;
  bool is_resumed = false;  // go on behind the layers that stand there
};

/// Largest of `wanted`, 64 and 32 that divides the inputs of every Linear, and that the layouts of
/// files can hold; `wanted` itself where none does.
int64_t fitting_group(const spec::DecoderConfig& config, int64_t wanted);

/// Quantises the layers one after the other. Each stands in a file of the work folder when it is
/// done ("layer-000.safetensors", …), so that a run that was stopped, or killed, can go on: the
/// result is bit for bit the same. Memory: one layer in f32, its rounded copy and the activations.
/// @return the files, in the order of the layers; read_quantised() reads them.
/// @throws Error{invalid_argument} when layers stand in the folder and the run is no resumed one,
/// or they were made of something else; Error{invalid_model}; as write_layer().
std::vector<std::filesystem::path> quantise_model(ops::Context& ctx, const Model& model,
                                                  const Calibration& calibration,
                                                  const Options& options, const WorkFolder& work,
                                                  const OnProgress& on_progress);

/// A layer that quantise_model() has written, whatever it was made of.
LayerResult read_quantised(const std::filesystem::path& path);

}  // namespace vila::quantize
