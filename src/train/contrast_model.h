// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spec/config.h"
#include "text/tokenizer.h"
#include "train/parameter_set.h"
#include "train/recipe.h"

namespace at {
class Tensor;
}

namespace vila::train {

/// Words, and the label of what they name; "" for none.
struct Text {
  std::string words;
  std::string label;
};

/// Vectors of pictures f32 [n, projection_dim] of length one, by the way they were read.
using Views = std::vector<std::pair<std::string, at::Tensor>>;

/// A vision tower and, beside it, what only contrast needs and nobody ships: a text encoder (the
/// decoder of spec::parameters() under another prefix), a vector for each label, projections into
/// one space and a temperature. docs/training.md, "The tower". One thread.
class ContrastModel {
 public:
  /// @param labels        all labels that pairs have.
  /// @param first_layers  encoder layers in use at the first step.
  /// @throws Error{invalid_model} when init.vision_tower does not fit.
  ContrastModel(const Recipe& recipe, const std::vector<std::string>& labels, int64_t first_layers);

  ParameterSet& parameters() { return parameters_; }

  const ParameterSet& parameters() const { return parameters_; }

  /// Readings "class" (the class token of layer `layers`, as CLIP has it) and, with patch_weight,
  /// "mean" and "flat": the patches of the layer that VILA reads, averaged or side by side.
  /// @param pictures  0..1 f32 [n, 3, S, S].
  Views image_vectors(const at::Tensor& pictures, int64_t layers) const;

  /// What the encoder makes of the words, plus the label's own vector: f32 [texts, projection_dim]
  /// of length one.
  at::Tensor text_vectors(const std::vector<Text>& texts) const;

  /// The learnt factor on cosines, at most max_logit_scale. f32 [1].
  at::Tensor scale() const;

 private:
  void spread_label_vectors() const;
  at::Tensor project(const at::Tensor& rows, const std::string& name) const;

  Recipe recipe_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  spec::DecoderConfig text_;
  std::map<std::string, int64_t> label_rows_;  // of label_vectors; row 0: no label
  ParameterSet parameters_;
};

}  // namespace vila::train
