// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "spec/config.h"

namespace vila::spec {

/// The activation of a `hidden_act` value ("quick_gelu", "gelu", "gelu_pytorch_tanh", "silu").
/// @throws Error{invalid_config} listing the known names. @param source  file, for the message.
Activation parse_activation(const std::string& name, const std::string& source);

/// The `hidden_act` value of an activation.
const char* activation_name(Activation activation);

}  // namespace vila::spec
