// SPDX-License-Identifier: Apache-2.0
#include "formats/adapter.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFinalNorm = "model.norm.weight";
constexpr const char* kTable = "model.embed_tokens.weight";
constexpr double kDeltaNorm = 0.05;  // mean magnitude; differences that training makes are smaller
constexpr int64_t kFewValues = 8;    // of so narrow a norm nothing can be said

/// Replaces or adds the tensors of one file of a training run.
void put_whole(const fs::path& file, const AdaptedWeights& weights) {
  for (const auto& [saved, tensor] : read_weight_file(file))
    replace_whole(flat_training_name(saved), tensor, file.string(), weights);
}

/// delta + base over the elements of `base`, which are the first of `delta`.
Tensor sum(const Tensor& delta, const Tensor& base) {
  const Tensor added = base.to(DType::f32);
  Tensor result = Tensor::empty(DType::f32, delta.shape());
  const Tensor before = delta.to(DType::f32);
  std::ranges::copy(before.values<float>(), result.values<float>().begin());
  const auto values = result.values<float>();
  for (size_t i = 0; i < added.values<float>().size(); ++i)
    values[i] += added.values<float>()[i];
  return result.to(delta.dtype());
}

/// Whether `base` is the beginning of `delta`: all of it, or the first rows of a table of words.
bool is_beginning(const std::string& name, const Tensor& delta, const Tensor& base) {
  if (delta.shape() == base.shape()) return true;
  const bool is_table = name == kTable || name == "lm_head.weight";
  return is_table && delta.shape().rank() == 2 && base.shape().rank() == 2 &&
         delta.dim(1) == base.dim(1) && delta.dim(0) > base.dim(0);
}

}  // namespace

void apply_adapter(const fs::path& folder, FolderKind kind, AdapterPlace place,
                   const AdaptedWeights& weights) {
  if (kind == FolderKind::projector) return put_whole(folder / "mm_projector.bin", weights);
  VILA_CHECK(kind == FolderKind::lora);
  const fs::path whole = folder / "non_lora_trainables.bin";
  if (fs::exists(whole)) put_whole(whole, weights);
  apply_lora(folder, place, weights);
}

void add_base(TensorMap& delta, const TensorMap& base, const std::string& source) {
  size_t summed = 0;
  for (auto& [name, tensor] : delta) {
    const auto found = base.find(name);
    if (found == base.end()) continue;
    const bool is_float = is_weight_dtype(tensor.dtype()) && is_weight_dtype(found->second.dtype());
    if (!is_float || !is_beginning(name, tensor, found->second)) {
      fail(ErrorCode::invalid_model, "{}: \"{}\": expected floats of the base's shape {}, found {}",
           source, name, found->second.shape().text(), tensor.text());
    }
    tensor = sum(tensor, found->second);
    ++summed;
  }
  if (summed > 0) return;
  fail(ErrorCode::invalid_model,
       "{}: expected differences to tensors of the base, found none of the same name", source);
}

bool looks_like_delta(const TensorMap& weights) {
  const auto found = weights.find(kFinalNorm);
  const bool is_decoder = found != weights.end() && weights.contains(kTable);
  if (!is_decoder || !is_weight_dtype(found->second.dtype())) return false;
  const Tensor norm = found->second.to(DType::f32);
  double total = 0;
  for (const float value : norm.values<float>())
    total += std::abs(static_cast<double>(value));
  return norm.numel() >= kFewValues && total / static_cast<double>(norm.numel()) < kDeltaNorm;
}

}  // namespace vila::formats
