// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "spec/parameters.h"

namespace at {
class Tensor;
}

namespace vila::train {

/// The parameters of a model being trained, f32, by the names of spec::parameters(): the only place
/// where they live. Copies share the tensors. One thread.
class ParameterSet {
 public:
  /// Random start as in transformers: matrices normal with deviation 0.02, the projector uniform in
  /// ±1/sqrt(inputs), norms one, biases zero. The same numbers on every machine.
  /// @param device  "cpu" or "cuda".
  ParameterSet(std::vector<spec::Parameter> table, uint64_t seed, const std::string& device);

  int64_t size() const;
  const spec::Parameter& row(int64_t index) const;
  const at::Tensor& tensor(int64_t index) const;

  /// Throws Bug when there is no such name.
  const at::Tensor& at(std::string_view name) const;
  bool contains(std::string_view name) const;

  /// No gradient for the rows that `is_frozen` chooses; those are also not stepped nor saved as
  /// state.
  void freeze(const std::function<bool(const spec::Parameter&)>& is_frozen);
  bool is_frozen(int64_t index) const;

  /// Overwrites the rows of `part` with a checkpoint's tensors. Optional rows may be missing.
  /// @throws Error{invalid_model} naming the tensor that is missing or has another shape.
  void load(const formats::Checkpoint& checkpoint, spec::Part part);
  /// Overwrites one row. @throws Error{invalid_model} on another shape.
  void assign(int64_t index, const Tensor& value, const std::string& source);

  /// Copies on the host, as f32 or bf16.
  Tensor copy(int64_t index, DType dtype) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// f32 (or `dtype`) copy of a torch tensor on the host, and the way back.
Tensor from_torch(const at::Tensor& tensor, DType dtype = DType::f32);
at::Tensor to_torch(const Tensor& tensor);

}  // namespace vila::train
