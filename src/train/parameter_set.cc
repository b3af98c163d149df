// SPDX-License-Identifier: Apache-2.0
#include "train/parameter_set.h"

#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "train/torch_compat.h"

namespace vila::train {
namespace {

bool is_norm(const std::string& name) {
  return name.find("norm") != std::string::npos;
}

bool is_bias(const std::string& name) {
  return name.ends_with(".bias");
}

/// The value that a row starts with; element i of row r depends only on (seed, r, i).
at::Tensor initial(const spec::Parameter& row, uint64_t seed, uint64_t stream) {
  at::Tensor value =
      at::empty(at::IntArrayRef(row.shape.extents().data(), static_cast<size_t>(row.shape.rank())),
                at::kFloat);
  if (row.name == "logit_scale") return value.fill_(std::log(1.0 / 0.07));
  if (is_bias(row.name)) return value.zero_();
  if (is_norm(row.name)) return value.fill_(1.0);
  Random random(seed, stream);
  const bool is_projector = row.part == spec::Part::mm_projector;
  const double bound = 1.0 / std::sqrt(static_cast<double>(row.shape[row.shape.rank() - 1]));
  float* data = value.data_ptr<float>();
  for (int64_t i = 0; i < value.numel(); ++i) {
    data[i] = static_cast<float>(is_projector ? (2.0 * random.uniform() - 1.0) * bound
                                              : 0.02 * random.normal());
  }
  return value;
}

at::ScalarType scalar_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return at::kFloat;
    case DType::f16:
      return at::kHalf;
    case DType::bf16:
      return at::kBFloat16;
    case DType::i64:
      return at::kLong;
    case DType::u8:
      return at::kByte;
    default:
      break;
  }
  VILA_CHECK(false, "no torch type for {}", dtype_name(dtype));
  return at::kFloat;
}

}  // namespace

struct ParameterSet::State {
  std::vector<spec::Parameter> rows;
  std::vector<at::Tensor> tensors;
  std::vector<bool> frozen;
  std::map<std::string, int64_t, std::less<>> index;
};

ParameterSet::ParameterSet(std::vector<spec::Parameter> table, uint64_t seed,
                           const std::string& device)
    : state_(std::make_shared<State>()) {
  state_->rows = std::move(table);
  for (size_t i = 0; i < state_->rows.size(); ++i) {
    at::Tensor value = initial(state_->rows[i], seed, i).to(at::Device(device));
    state_->tensors.push_back(value.set_requires_grad(true));
    const bool is_new = state_->index.emplace(state_->rows[i].name, i).second;
    VILA_CHECK(is_new, "{} stands twice in the table", state_->rows[i].name);
  }
  state_->frozen.assign(state_->rows.size(), false);
}

int64_t ParameterSet::size() const {
  return static_cast<int64_t>(state_->rows.size());
}

const spec::Parameter& ParameterSet::row(int64_t index) const {
  return state_->rows[static_cast<size_t>(index)];
}

const at::Tensor& ParameterSet::tensor(int64_t index) const {
  return state_->tensors[static_cast<size_t>(index)];
}

const at::Tensor& ParameterSet::at(std::string_view name) const {
  const auto found = state_->index.find(name);
  VILA_CHECK(found != state_->index.end(), "no parameter {}", name);
  return tensor(found->second);
}

bool ParameterSet::contains(std::string_view name) const {
  return state_->index.contains(name);
}

void ParameterSet::freeze(const std::function<bool(const spec::Parameter&)>& is_frozen) {
  for (int64_t i = 0; i < size(); ++i) {
    const bool frozen = is_frozen(row(i));
    state_->frozen[static_cast<size_t>(i)] = frozen;
    tensor(i).set_requires_grad(!frozen);
  }
}

bool ParameterSet::is_frozen(int64_t index) const {
  return state_->frozen[static_cast<size_t>(index)];
}

void ParameterSet::load(const formats::Checkpoint& checkpoint, spec::Part part) {
  for (int64_t i = 0; i < size(); ++i) {
    if (row(i).part != part) continue;
    const auto found = checkpoint.tensors.find(row(i).name);
    if (found != checkpoint.tensors.end()) {
      assign(i, found->second, checkpoint.folder.string());
    } else if (checkpoint.quantised.contains(row(i).name)) {
      assign(i, checkpoint.quantised.at(row(i).name).dequantise(), checkpoint.folder.string());
    } else if (!row(i).is_optional) {
      fail(ErrorCode::invalid_model, "{}: tensor {} is missing", checkpoint.folder.string(),
           row(i).name);
    }
  }
}

void ParameterSet::assign(int64_t index, const Tensor& value, const std::string& source) {
  if (!(value.shape() == row(index).shape)) {
    fail(ErrorCode::invalid_model, "{}: {} has shape {}, expected {}", source, row(index).name,
         value.shape().text(), row(index).shape.text());
  }
  at::NoGradGuard no_grad;
  tensor(index).copy_(to_torch(value));
}

Tensor ParameterSet::copy(int64_t index, DType dtype) const {
  return from_torch(tensor(index), dtype);
}

Tensor from_torch(const at::Tensor& tensor, DType dtype) {
  const at::Tensor host = tensor.detach().to(at::kCPU, scalar_type(dtype)).contiguous();
  const Shape shape(std::span<const int64_t>(host.sizes().data(), host.sizes().size()));
  Tensor result = Tensor::empty(dtype, shape);
  std::memcpy(result.raw(), host.data_ptr(), result.nbytes());
  return result;
}

at::Tensor to_torch(const Tensor& tensor) {
  const at::IntArrayRef sizes(tensor.shape().extents().data(),
                              static_cast<size_t>(tensor.shape().rank()));
  at::Tensor result = at::empty(sizes, scalar_type(tensor.dtype()));
  std::memcpy(result.data_ptr(), tensor.raw(), tensor.nbytes());
  return result;
}

}  // namespace vila::train
