// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/thread_pool.h"
#include "formats/checkpoint.h"
#include "spec/config.h"
#include "tensor/packed_matrix.h"
#include "tensor/tensor.h"

namespace vila::model {

/// What a Linear or an Embedding multiplies with: numbers [N, K] as stored, or codes of 4 or 8
/// bits. ops:: has an overload for each, so that no layer asks which it is.
using Matrix = std::variant<Tensor, PackedMatrix>;

/// Rows [begin, end). @pre of a packed matrix: `begin` is a multiple of its tiles' rows
Matrix rows(const Matrix& matrix, int64_t begin, int64_t end);

/// The tensors of a model by name, and a place in that name space: `w / "layers" / 3 / "q_proj"`.
/// A value that shares the tensors; immutable.
class Weights {
 public:
  /// Finds every parameter of `config` in `checkpoint`, and the changes of an adapter beside them
  /// as "….lora_A" [r, in], ".lora_B" [out, r] and ".lora_gain" [out] (formats::LowRankChange).
  /// Other tensors are left aside (see
  /// extra_tensors()). Quantised matrices are packed on the threads of `pool`, each thread one at a
  /// time: beside the result there is the memory of one matrix a thread.
  /// @throws Error{invalid_model} listing all tensors that are missing, misshaped or of a type that
  ///         weights cannot have, each with what was expected and what was found; or naming a
  ///         quantised matrix that cannot be packed.
  static Weights bind(const formats::Checkpoint& checkpoint, const spec::VilaConfig& config,
                      ThreadPool& pool);

  Weights operator/(std::string_view name) const;
  Weights operator/(int64_t index) const;

  /// The matrix `name` of this place. Throws Bug when it is not in the table.
  Matrix matrix(std::string_view name) const;
  /// The tensor `name` of this place, as stored; a packed one in f32: for what no op reads packed.
  /// Throws Bug when it is not in the table.
  Tensor tensor(std::string_view name) const;
  /// The same as f32, in memory of its own: for the small ones (norms, biases, positions).
  Tensor vector(std::string_view name) const;
  bool has(std::string_view name) const;

  /// The same place with the tensors and matrices of `changes`, by their full names, in place of
  /// those that stand there. A name that is not in the table is a Bug.
  Weights with(const std::map<std::string, Matrix, std::less<>>& changes) const;

  /// Bytes of all tensors and matrices at and below this place, as they run.
  int64_t bytes() const;
  /// Whether a matrix at or below this place is packed.
  bool has_packed() const;

 private:
  using Table = std::map<std::string, Matrix, std::less<>>;
  Weights(std::shared_ptr<const Table> table, std::string path);
  const Matrix* find(std::string_view name) const;

  std::shared_ptr<const Table> table_;
  std::string path_;  // "model.layers.3.", empty at the root
};

/// Names in `checkpoint` that no parameter of `config` has: ignored when running, shown by
/// `vila inspect`.
std::vector<std::string> extra_tensors(const formats::Checkpoint& checkpoint,
                                       const spec::VilaConfig& config);

}  // namespace vila::model
