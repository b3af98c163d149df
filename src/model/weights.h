// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "spec/config.h"
#include "tensor/tensor.h"

namespace vila::model {

/// The tensors of a model by name, and a place in that name space: `w / "layers" / 3 / "q_proj"`.
/// A value that shares the tensors; immutable.
class Weights {
 public:
  /// Finds every parameter of `config` in `checkpoint`. Other tensors are left aside (see
  /// extra_tensors()).
  /// @throws Error{invalid_model} listing all tensors that are missing, misshaped or of a type that
  ///         weights cannot have, each with what was expected and what was found.
  static Weights bind(const formats::Checkpoint& checkpoint, const spec::VilaConfig& config);

  Weights operator/(std::string_view name) const;
  Weights operator/(int64_t index) const;

  /// The tensor `name` of this place, as stored. Throws Bug when it is not in the table.
  Tensor tensor(std::string_view name) const;
  /// The same as f32, in memory of its own: for the small ones (norms, biases, positions).
  Tensor vector(std::string_view name) const;
  bool has(std::string_view name) const;

  /// Bytes of all bound tensors, as stored.
  int64_t bytes() const;

 private:
  using Table = std::map<std::string, Tensor, std::less<>>;
  Weights(std::shared_ptr<const Table> table, std::string path);
  const Tensor* find(std::string_view name) const;

  std::shared_ptr<const Table> table_;
  std::string path_;  // "model.layers.3.", empty at the root
};

/// Names in `checkpoint` that no parameter of `config` has: ignored when running, shown by
/// `vila inspect`.
std::vector<std::string> extra_tensors(const formats::Checkpoint& checkpoint,
                                       const spec::VilaConfig& config);

}  // namespace vila::model
