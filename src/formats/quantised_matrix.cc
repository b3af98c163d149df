// SPDX-License-Identifier: Apache-2.0
#include "formats/quantised_matrix.h"

#include <fmt/format.h>

namespace vila::formats {

std::string QuantisedMatrix::text() const {
  return fmt::format("{} in {} bits by {}", shape().text(), bits, group);
}

QuantisedMatrix quantised(const PackedMatrix& matrix) {
  return {.out = matrix.out,
          .in = matrix.in,
          .group = matrix.group,
          .bits = matrix.bits,
          .pack = [matrix] { return matrix; },
          .dequantise = [matrix] { return dequantise(matrix); }};
}

void dequantise_all(QuantisedMap& quantised, TensorMap& tensors) {
  for (const auto& [name, matrix] : quantised)
    tensors.insert_or_assign(name, matrix.dequantise());
  quantised.clear();
}

}  // namespace vila::formats
