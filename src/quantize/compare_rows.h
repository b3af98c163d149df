// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "engine/verify.h"
#include "tensor/tensor.h"

namespace vila::quantize {

/// Every element the same, of any type; -0 and 0 are.
engine::VerifyRow compare_exactly(const std::string& name, const Tensor& actual,
                                  const Tensor& expected);

/// No element farther off than `tolerance`, absolute.
engine::VerifyRow compare_within(const std::string& name, const Tensor& actual,
                                 const Tensor& expected, double tolerance);

/// Each element within `tolerance` of its own expected magnitude.
engine::VerifyRow compare_each(const std::string& name, const Tensor& actual,
                               const Tensor& expected, double tolerance);

/// One figure within a share of the expected one.
engine::VerifyRow compare_figure(const std::string& name, double actual, double expected,
                                 double tolerance);

}  // namespace vila::quantize
