// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "spec/parameters.h"

namespace vila::model {
namespace {

// What is wrong with the tensor found for a parameter; empty when all is well.
std::string fault(const spec::Parameter& parameter, const Tensor* found) {
  if (found == nullptr) {
    if (parameter.is_optional) return {};
    return fmt::format("{}: missing, expected {}", parameter.name, parameter.shape.text());
  }
  if (!(found->shape() == parameter.shape)) {
    return fmt::format("{}: expected {}, found {}", parameter.name, parameter.shape.text(),
                       found->text());
  }
  if (!is_weight_dtype(found->dtype())) {
    return fmt::format("{}: expected f32, f16 or bf16, found {}", parameter.name, found->text());
  }
  return {};
}

}  // namespace

Weights Weights::bind(const formats::Checkpoint& checkpoint, const spec::VilaConfig& config) {
  auto table = std::make_shared<Table>();
  std::string faults;
  int64_t count = 0;
  for (const spec::Parameter& parameter : spec::parameters(config)) {
    const auto it = checkpoint.tensors.find(parameter.name);
    const Tensor* found = it == checkpoint.tensors.end() ? nullptr : &it->second;
    const std::string text = fault(parameter, found);
    if (!text.empty()) {
      faults += "\n  " + text;
      ++count;
    } else if (found != nullptr) {
      table->emplace(parameter.name, *found);
    }
  }
  if (count > 0) {
    fail(ErrorCode::invalid_model, "{}: {} tensors do not fit config.json:{}",
         checkpoint.folder.string(), count, faults);
  }
  return Weights(std::move(table), "");
}

Weights::Weights(std::shared_ptr<const Table> table, std::string path)
    : table_(std::move(table)), path_(std::move(path)) {}

Weights Weights::operator/(std::string_view name) const {
  return Weights(table_, fmt::format("{}{}.", path_, name));
}

Weights Weights::operator/(int64_t index) const {
  return Weights(table_, fmt::format("{}{}.", path_, index));
}

const Tensor* Weights::find(std::string_view name) const {
  const auto it = table_->find(fmt::format("{}{}", path_, name));
  return it == table_->end() ? nullptr : &it->second;
}

Tensor Weights::tensor(std::string_view name) const {
  const Tensor* found = find(name);
  VILA_CHECK(found != nullptr, "{}{} is not in the parameter table", path_, name);
  return *found;
}

Tensor Weights::vector(std::string_view name) const {
  return tensor(name).to(DType::f32);
}

bool Weights::has(std::string_view name) const {
  return find(name) != nullptr;
}

int64_t Weights::bytes() const {
  size_t sum = 0;
  for (const auto& [name, tensor] : *table_)
    sum += tensor.nbytes();
  return static_cast<int64_t>(sum);
}

std::vector<std::string> extra_tensors(const formats::Checkpoint& checkpoint,
                                       const spec::VilaConfig& config) {
  std::set<std::string, std::less<>> known;
  for (const spec::Parameter& parameter : spec::parameters(config))
    known.insert(parameter.name);
  std::vector<std::string> extra;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!known.contains(name)) extra.push_back(name);
  }
  return extra;
}

}  // namespace vila::model
