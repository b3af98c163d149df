// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/context.h"
#include "quantize/second_order.h"

namespace vila::quantize {

/// Lowers the loss (w - q) H (w - q)^T of each row further, from what compensate() has left, by two
/// steps in turn, neither of which can raise it:
///
///   codes   one after the other each becomes the least of the loss with all others as they are:
///           q_i - (H e)_i / H_ii, e = q - w, rounded to its grid; over the row until none changes
///   scales  those of a row together become the least of the loss with the codes as they are, a
///           linear problem of as many unknowns as the row has groups; zero points stay
///
/// @param weight  f32 [N, K] that the codes stand for.
/// @param rounds  how often both are done.
QuantisedMatrix refine(ops::Context& ctx, const Tensor& weight, const ErrorModel& model,
                       QuantisedMatrix matrix, int rounds);

}  // namespace vila::quantize
