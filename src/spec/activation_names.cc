// SPDX-License-Identifier: Apache-2.0
#include "spec/activation_names.h"

#include "base/error.h"

namespace vila::spec {
namespace {

struct ActivationName {
  Activation activation;
  const char* name;
};

constexpr ActivationName kNames[] = {{Activation::quick_gelu, "quick_gelu"},
                                     {Activation::gelu, "gelu"},
                                     {Activation::gelu_tanh, "gelu_pytorch_tanh"},
                                     {Activation::silu, "silu"}};

}  // namespace

Activation parse_activation(const std::string& name, const std::string& source) {
  for (const ActivationName& row : kNames) {
    if (name == row.name) return row.activation;
  }
  fail(ErrorCode::invalid_config,
       "{}: \"hidden_act\": expected quick_gelu, gelu, gelu_pytorch_tanh or silu, found \"{}\"",
       source, name);
}

const char* activation_name(Activation activation) {
  for (const ActivationName& row : kNames) {
    if (row.activation == activation) return row.name;
  }
  VILA_CHECK(false, "activation {} has no name", static_cast<int>(activation));
  return "";
}

}  // namespace vila::spec
