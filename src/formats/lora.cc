// SPDX-License-Identifier: Apache-2.0
#include "formats/lora.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTable = "model.embed_tokens";
constexpr std::string_view kHead = "lm_head";
constexpr int64_t kGrain = 16;  // rows that one thread merges at a time

/// What an adapter has for one module.
struct LowRank {
  std::optional<Tensor> a;
  std::optional<Tensor> b;
  std::optional<Tensor> magnitude;
  bool is_embedding = false;
};

/// The tensors of an adapter file, sorted by what they are.
struct AdapterTensors {
  std::map<std::string, LowRank> modules;  // by the flat name of the module
  TensorMap whole;                         // by flat names: modules_to_save
};

bool drop_suffix(std::string& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  name.resize(name.size() - suffix.size());
  return true;
}

/// Puts one tensor of the file where it belongs. PEFT names the adapter ("default") in what it
/// holds in memory, not in what it saves; both are taken.
void sort_in(std::string name, const Tensor& tensor, const std::string& source,
             AdapterTensors& sorted) {
  const bool has_suffix = drop_suffix(name, ".weight");
  drop_suffix(name, ".default");
  if (drop_suffix(name, ".lora_A")) {
    sorted.modules[name].a = tensor;
  } else if (drop_suffix(name, ".lora_B")) {
    sorted.modules[name].b = tensor;
  } else if (drop_suffix(name, ".lora_magnitude_vector")) {
    sorted.modules[name].magnitude = tensor;
  } else if (drop_suffix(name, ".lora_embedding_A")) {
    sorted.modules[name].a = tensor;
    sorted.modules[name].is_embedding = true;
  } else if (drop_suffix(name, ".lora_embedding_B")) {
    sorted.modules[name].b = tensor;
    sorted.modules[name].is_embedding = true;
  } else if (name.find(".lora_") != name.npos) {
    fail(ErrorCode::invalid_model,
         "{}: \"{}\": expected matrices lora_A and lora_B, found a kind "
         "of tensor that cannot be merged",
         source, name);
  } else {
    drop_suffix(name, ".modules_to_save");
    sorted.whole.insert_or_assign(name + (has_suffix ? ".weight" : ""), tensor);
  }
}

fs::path adapter_file(const fs::path& folder) {
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  fail(ErrorCode::not_found,
       "{}: expected adapter_model.safetensors or adapter_model.bin beside adapter_config.json, "
       "found neither",
       folder.string());
}

void check_shape(const Tensor& tensor, const Shape& expected, const std::string& what) {
  if (is_weight_dtype(tensor.dtype()) && tensor.shape() == expected) return;
  fail(ErrorCode::invalid_model, "{}: expected {} of floats, found {}", what, expected.text(),
       tensor.text());
}

/// [columns, rows] of f32 from [rows, columns].
Tensor transposed(const Tensor& matrix) {
  Tensor result = Tensor::empty(DType::f32, {matrix.dim(1), matrix.dim(0)});
  const auto* from = matrix.data<float>();
  auto* to = result.data<float>();
  for (int64_t i = 0; i < matrix.dim(0); ++i) {
    for (int64_t j = 0; j < matrix.dim(1); ++j)
      to[j * matrix.dim(0) + i] = from[i * matrix.dim(1) + j];
  }
  return result;
}

/// row += scale · left · right, with left [r] and right [r, width].
void add_product(std::span<float> row, const float* left, const Tensor& right, double scale) {
  const auto* values = right.data<float>();
  for (int64_t k = 0; k < right.dim(0); ++k) {
    const auto factor = static_cast<float>(scale * static_cast<double>(left[k]));
    const float* line = values + k * right.dim(1);
    for (size_t i = 0; i < row.size(); ++i)
      row[i] += factor * line[i];
  }
}

/// A module of the adapter with the matrices that change one of the base, in f32.
struct Product {
  Tensor left;       // [rows, r]
  Tensor right;      // [r, columns]
  Tensor magnitude;  // [rows] of DoRA, or undefined
  double scale;
};

Product product_of(const LowRank& low, double scale) {
  const Tensor a = low.a->to(DType::f32);
  const Tensor b = low.b->to(DType::f32);
  return {.left = low.is_embedding ? transposed(a) : b,
          .right = low.is_embedding ? transposed(b) : a,
          .magnitude = low.magnitude ? low.magnitude->to(DType::f32) : Tensor(),
          .scale = scale};
}

/// Calls use(i, V_i) for every row of V = W + scale · left · right, on all cores.
template <typename Use>
void for_rows_of_sum(const Tensor& weight, const Product& product, const Use& use) {
  const Tensor before = weight.to(DType::f32);
  const auto width = static_cast<size_t>(weight.dim(1));
  ThreadPool pool(std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  pool.parallel_for(weight.dim(0), kGrain, [&](int64_t begin, int64_t end) {
    std::vector<float> row(width);
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(before.data<float>() + i * weight.dim(1), width, row.begin());
      add_product(row, product.left.data<float>() + i * product.left.dim(1), product.right,
                  product.scale);
      use(i, std::span<const float>(row));
    }
  });
}

double length(std::span<const float> row) {
  double squares = 0;
  for (const float value : row)
    squares += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(squares);
}

/// m / |V_i|.
float gain_of(const Product& product, int64_t i, std::span<const float> row) {
  return static_cast<float>(static_cast<double>(product.magnitude.data<float>()[i]) / length(row));
}

/// The merged weight, of the type that it had.
Tensor merged(const Tensor& weight, const Product& product) {
  const Tensor result = Tensor::empty(DType::f32, weight.shape());
  for_rows_of_sum(weight, product, [&](int64_t i, std::span<const float> row) {
    const float gain = product.magnitude.defined() ? gain_of(product, i, row) : 1.0F;
    float* target = result.data<float>() + i * weight.dim(1);
    for (const float value : row)
      *target++ = value * gain;
  });
  return result.to(weight.dtype());
}

/// The same as a change beside `weight`, which is only read where DoRA asks for its lengths.
LowRankChange beside(const Product& product, bool is_embedding,
                     const std::function<Tensor()>& weight) {
  // Of a table the rows of A are looked up, so that its transpose is kept as it came.
  LowRankChange change{.a = is_embedding ? product.left : product.right,
                       .b = is_embedding ? transposed(product.right) : product.left.to(DType::f32),
                       .gain = {}};
  std::vector<float> factors(static_cast<size_t>(change.b.dim(0)),
                             static_cast<float>(product.scale));
  if (product.magnitude.defined()) {
    change.gain = Tensor::empty(DType::f32, {change.b.dim(0)});
    for_rows_of_sum(weight(), product, [&](int64_t i, std::span<const float> row) {
      const float gain = gain_of(product, i, row);
      factors[static_cast<size_t>(i)] *= gain;
      change.gain.data<float>()[i] = gain - 1;
    });
  }
  for (int64_t i = 0; i < change.b.numel(); ++i)
    change.b.data<float>()[i] *= factors[static_cast<size_t>(i / change.b.dim(1))];
  return change;
}

/// What a module of the adapter stands on: floats or codes of the base.
struct Target {
  Tensor* dense = nullptr;
  const QuantisedMatrix* packed = nullptr;
  bool is_shared = false;  // the table of embeddings in the place of an output matrix

  Shape shape() const { return dense != nullptr ? dense->shape() : packed->shape(); }

  Tensor floats() const { return dense != nullptr ? *dense : packed->dequantise(); }
};

/// @param name  of the tensor
std::optional<Target> find_target(const std::string& name, const AdaptedWeights& weights) {
  const auto dense = weights.tensors.find(name);
  if (dense != weights.tensors.end()) return Target{.dense = &dense->second};
  const auto packed = weights.quantised.find(name);
  if (packed != weights.quantised.end()) return Target{.packed = &packed->second};
  return std::nullopt;
}

std::optional<Target> find_module(const std::string& module, const AdaptedWeights& weights) {
  auto target = find_target(module + ".weight", weights);
  if (target || module != kHead) return target;
  target = find_target(std::string(kTable) + ".weight", weights);
  if (target) target->is_shared = true;
  return target;
}

void check_fits(const LowRank& low, const Target& target, int64_t rank, const std::string& where) {
  if (!low.a || !low.b) {
    fail(ErrorCode::invalid_model, "{}: expected lora_A and lora_B, found lora_{} alone", where,
         low.a ? "A" : "B");
  }
  const bool is_float = target.dense == nullptr || is_weight_dtype(target.dense->dtype());
  const Shape shape = target.shape();
  if (!is_float || shape.rank() != 2) {
    fail(ErrorCode::invalid_model, "{}: expected a matrix of floats in the base, found {}", where,
         target.dense->text());
  }
  check_shape(*low.a, {rank, shape[low.is_embedding ? 0 : 1]}, where + ".lora_A");
  check_shape(*low.b, {shape[low.is_embedding ? 1 : 0], rank}, where + ".lora_B");
  if (low.magnitude) check_shape(*low.magnitude, {shape[0]}, where + " magnitude");
  if (low.magnitude && low.is_embedding)
    fail(ErrorCode::invalid_model, "{}: expected no magnitude for an embedding, found one", where);
}

/// Applies the modules of one adapter to the weights of its base.
class Applier {
 public:
  Applier(const LoraConfig& config, AdapterPlace place, const AdaptedWeights& weights)
      : config_(config), place_(place), weights_(weights) {}

  /// Applies one module after checking that all fits.
  void apply(const std::string& module, const LowRank& low) const {
    const std::string where = fmt::format("\"{}\"", module);
    const std::optional<Target> target = find_module(module, weights_);
    if (!target) {
      fail(ErrorCode::invalid_model,
           "{}: expected a weight of that name in the base, found none; it is of another model",
           where);
    }
    check_fits(low, *target, config_.rank_of(module), where);
    const Product product = product_of(low, config_.scale_of(module));
    if (stays_beside(module, *target)) {
      refuse_second(module, where);
      weights_.changes.insert_or_assign(
          module, beside(product, low.is_embedding, [&] { return target->floats(); }));
    } else {
      refuse_packed(*target, where);
      *target->dense = merged(*target->dense, product);
    }
  }

 private:
  /// Whether the change of a module cannot, or shall not, go into its weight.
  bool stays_beside(const std::string& module, const Target& target) const {
    if (place_ != AdapterPlace::beside_packed) return place_ == AdapterPlace::beside;
    return target.packed != nullptr || target.is_shared || is_shared_table(module);
  }

  /// Whether the table of embeddings is the output matrix as well.
  bool is_shared_table(const std::string& module) const {
    const std::string head = std::string(kHead) + ".weight";
    return module == kTable && !weights_.tensors.contains(head) &&
           !weights_.quantised.contains(head);
  }

  void refuse_second(const std::string& module, const std::string& where) const {
    if (!weights_.changes.contains(module)) return;
    fail(ErrorCode::invalid_model,
         "{}: expected one adapter beside a matrix of the base, found a second; merge the first "
         "with vila convert",
         where);
  }

  static void refuse_packed(const Target& target, const std::string& where) {
    if (target.dense != nullptr && !target.is_shared) return;
    fail(ErrorCode::invalid_model,
         "{}: expected floats in the base to merge the adapter into, found {}; keep it beside them "
         "(--adapter auto), or convert the base to floats first",
         where, target.dense == nullptr ? target.packed->text() : "the table of embeddings alone");
  }

  const LoraConfig& config_;
  AdapterPlace place_;
  const AdaptedWeights& weights_;
};

}  // namespace

std::string flat_training_name(std::string_view name) {
  constexpr std::string_view kProjectorLayers = "mm_projector.layers.";
  const auto drop = [&](std::string_view prefix) {
    const bool is_there = name.starts_with(prefix);
    if (is_there) name.remove_prefix(prefix.size());
    return is_there;
  };
  if (!drop("base_model.model.") && name.starts_with("model.model.")) drop("model.");
  drop("llm.");
  if (drop(kProjectorLayers)) return fmt::format("model.mm_projector.{}", name);
  const bool is_bare = name.starts_with("mm_projector.") || name.starts_with("vision_tower.");
  return is_bare ? fmt::format("model.{}", name) : std::string(name);
}

int64_t LowRankChange::bytes() const {
  return static_cast<int64_t>(a.nbytes() + b.nbytes() + (gain.defined() ? gain.nbytes() : 0));
}

void replace_whole(const std::string& name, const Tensor& tensor, const std::string& source,
                   const AdaptedWeights& weights) {
  const auto target = find_target(name, weights);
  if (target && !(target->shape() == tensor.shape())) {
    fail(ErrorCode::invalid_model, "{}: \"{}\": expected {} as in the base, found {}", source, name,
         target->shape().text(), tensor.shape().text());
  }
  weights.quantised.erase(name);
  weights.tensors.insert_or_assign(name, tensor);
}

void apply_lora(const fs::path& folder, AdapterPlace place, const AdaptedWeights& weights) {
  const LoraConfig config = read_lora_config(folder);
  const fs::path file = adapter_file(folder);
  AdapterTensors sorted;
  for (const auto& [name, tensor] : read_weight_file(file))
    sort_in(flat_training_name(name), tensor, file.string(), sorted);
  if (sorted.modules.empty() && sorted.whole.empty())
    fail(ErrorCode::invalid_model, "{}: expected tensors of an adapter, found none", file.string());
  for (const auto& [name, tensor] : sorted.whole)
    replace_whole(name, tensor, file.string(), weights);
  const Applier applier(config, place, weights);
  with_context(file.string(), [&] {
    for (const auto& [module, low] : sorted.modules)
      applier.apply(module, low);
  });
}

}  // namespace vila::formats
