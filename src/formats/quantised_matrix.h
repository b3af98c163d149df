// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "formats/weight_file.h"
#include "tensor/packed_matrix.h"

namespace vila::formats {

/// A matrix of 4- or 8-bit codes as a file holds it: its sizes, known before any code is read, and
/// how to have it in either form. A value; the functions keep the file alive and may be called from
/// any thread.
struct QuantisedMatrix {
  int64_t out = 0;
  int64_t in = 0;
  int64_t group = 0;  // columns of a row that share a scale
  int bits = 4;
  /// The layout that kernels read: a view where the file holds it, else memory of its own.
  /// @throws Error{invalid_model} naming file and matrix.
  std::function<PackedMatrix()> pack;
  /// The numbers that the codes stand for, exactly as the file defines them: f32 [out, in].
  /// @throws Error{invalid_model}
  std::function<Tensor()> dequantise;

  Shape shape() const { return {out, in}; }

  /// Bytes of the packed form.
  int64_t bytes() const { return PackedMatrix::bytes(out, in, group, bits); }

  /// "[4096, 11008] in 4 bits by 128", for messages.
  std::string text() const;
};

/// Matrices by the names that they would have as floats ("….q_proj.weight").
using QuantisedMap = std::map<std::string, QuantisedMatrix, std::less<>>;

/// One that is packed already.
QuantisedMatrix quantised(const PackedMatrix& matrix);

/// Moves every matrix of `quantised` to `tensors`, as f32.
/// @throws as QuantisedMatrix::dequantise.
void dequantise_all(QuantisedMap& quantised, TensorMap& tensors);

}  // namespace vila::formats
