// SPDX-License-Identifier: Apache-2.0
#include "quantize/vision.h"

#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "model/weights.h"
#include "spec/parameters.h"

namespace vila::quantize {
namespace {

using Changes = std::map<std::string, model::Matrix, std::less<>>;

// Flat names of what a tower's unused layers hold.
std::set<std::string, std::less<>> unused_names(const spec::VilaConfig& config) {
  std::set<std::string, std::less<>> names;
  const std::string layers = std::string(spec::kVisionPrefix) + "encoder.layers.";
  for (const spec::Parameter& parameter : spec::parameters(config)) {
    if (parameter.is_optional && parameter.name.starts_with(layers)) names.insert(parameter.name);
  }
  return names;
}

std::vector<std::string> names_of(const formats::TensorMap& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors)
    names.push_back(name);
  return names;
}

// Puts what has changed in the place of the tensor `name`.
void replace(formats::TensorMap& tensors, formats::QuantisedMap& quantised, const std::string& name,
             const model::Matrix& change) {
  if (const Tensor* tensor = std::get_if<Tensor>(&change)) {
    tensors.insert_or_assign(name, *tensor);
    return;
  }
  tensors.erase(name);
  quantised.insert_or_assign(name, formats::quantised(std::get<PackedMatrix>(change)));
}

}  // namespace

void round_vision(formats::ModelPackage& package, const formats::Checkpoint& checkpoint,
                  const spec::VilaConfig& config, const model::ActivationMaxima& maxima,
                  ThreadPool& pool) {
  if (!config.has_vision()) {
    fail(ErrorCode::invalid_argument, "8-bit vision: expected a model with a tower, found none");
  }
  const model::Weights weights = model::Weights::bind(checkpoint, config, pool);
  const Changes changes = model::int8_vision(weights, config, maxima, pool);
  const auto unused = unused_names(config);
  for (auto& [part, tensors] : package.parts) {
    for (const std::string& name : names_of(tensors)) {
      const std::string flat = formats::flat_name(part, name);
      const auto change = changes.find(flat);
      if (change != changes.end()) {
        replace(tensors, package.quantised[part], name, change->second);
      } else if (unused.contains(flat)) {
        tensors.erase(name);
      }
    }
  }
}

}  // namespace vila::quantize
