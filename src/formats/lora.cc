// SPDX-License-Identifier: Apache-2.0
#include "formats/lora.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <thread>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/thread_pool.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxRank = 1 << 16;
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

void rescale(std::span<float> row, float magnitude) {
  double squares = 0;
  for (const float value : row)
    squares += static_cast<double>(value) * static_cast<double>(value);
  const auto factor = static_cast<float>(static_cast<double>(magnitude) / std::sqrt(squares));
  for (float& value : row)
    value *= factor;
}

/// The merged weight, of the type that it had.
Tensor merged(const Tensor& weight, const LowRank& low, double scale) {
  const Tensor a = low.a->to(DType::f32);
  const Tensor b = low.b->to(DType::f32);
  const Tensor left = low.is_embedding ? transposed(a) : b;   // [rows, r]
  const Tensor right = low.is_embedding ? transposed(b) : a;  // [r, columns]
  Tensor result = Tensor::empty(DType::f32, weight.shape());
  const Tensor before = weight.to(DType::f32);
  std::ranges::copy(before.values<float>(), result.values<float>().begin());
  const Tensor magnitude = low.magnitude ? low.magnitude->to(DType::f32) : Tensor();
  ThreadPool pool(std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  pool.parallel_for(weight.dim(0), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto row = result.values<float>().subspan(static_cast<size_t>(i * weight.dim(1)),
                                                      static_cast<size_t>(weight.dim(1)));
      add_product(row, left.data<float>() + i * left.dim(1), right, scale);
      if (low.magnitude) rescale(row, magnitude.data<float>()[i]);
    }
  });
  return result.to(weight.dtype());
}

/// Merges one module after checking that all fits.
void merge_module(const std::string& module, const LowRank& low, const LoraConfig& config,
                  const std::string& source, TensorMap& weights) {
  const std::string where = fmt::format("{}: \"{}\"", source, module);
  const auto found = weights.find(module + ".weight");
  if (found == weights.end()) {
    fail(ErrorCode::invalid_model,
         "{}: expected a weight of that name in the base, found none; it is of another model, or "
         "the base is quantised",
         where);
  }
  const Tensor& weight = found->second;
  if (!low.a || !low.b) {
    fail(ErrorCode::invalid_model, "{}: expected lora_A and lora_B, found lora_{} alone", where,
         low.a ? "A" : "B");
  }
  if (!is_weight_dtype(weight.dtype()) || weight.shape().rank() != 2) {
    fail(ErrorCode::invalid_model, "{}: expected a matrix of floats in the base, found {}", where,
         weight.text());
  }
  const int64_t rank = config.rank_of(module);
  const int64_t in = weight.dim(low.is_embedding ? 0 : 1);
  const int64_t out = weight.dim(low.is_embedding ? 1 : 0);
  check_shape(*low.a, {rank, in}, where + ".lora_A");
  check_shape(*low.b, {out, rank}, where + ".lora_B");
  if (low.magnitude) check_shape(*low.magnitude, {weight.dim(0)}, where + " magnitude");
  if (low.magnitude && low.is_embedding)
    fail(ErrorCode::invalid_model, "{}: expected no magnitude for an embedding, found one", where);
  found->second = merged(weight, low, config.scale_of(module));
}

void replace_whole(const std::string& name, const Tensor& tensor, const std::string& source,
                   TensorMap& weights) {
  const auto found = weights.find(name);
  if (found == weights.end() || found->second.shape() == tensor.shape()) {
    weights.insert_or_assign(name, tensor);
    return;
  }
  fail(ErrorCode::invalid_model, "{}: \"{}\": expected {} as in the base, found {}", source, name,
       found->second.shape().text(), tensor.shape().text());
}

Json member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? Json() : *found;
}

/// A pattern of PEFT is a regular expression that matches the end of a module's name; those that
/// are plain names are all that its own tools write.
template <typename T>
std::map<std::string, T> read_pattern(const Json& config, const char* key,
                                      const std::string& source) {
  std::map<std::string, T> values;
  const Json rows = member(config, key);
  if (!rows.is_object()) return values;
  for (const auto& [name, value] : rows.items()) {
    if (name.find_first_of("^$*+?()[]{}|\\") != name.npos || !value.is_number()) {
      fail(ErrorCode::invalid_model,
           "{}: {}: expected plain names of modules and numbers, found "
           "\"{}\": {}",
           source, key, name, value.dump());
    }
    values[name] = value.template get<T>();
  }
  return values;
}

template <typename T>
T by_pattern(const std::map<std::string, T>& values, std::string_view module, T fallback) {
  for (const auto& [name, value] : values) {
    const bool is_end = module.ends_with(name) && (module.size() == name.size() ||
                                                   module[module.size() - name.size() - 1] == '.');
    if (is_end) return value;
  }
  return fallback;
}

void check_supported(const Json& config, const std::string& source) {
  const auto type = json_get<std::string>(config, "peft_type", "LORA", source);
  if (type != "LORA") {
    fail(ErrorCode::invalid_model,
         "{}: expected peft_type LORA, found {}; merge it with PEFT first", source, type);
  }
  const auto bias = json_get<std::string>(config, "bias", "none", source);
  const bool is_transposed = json_get<bool>(config, "fan_in_fan_out", false, source);
  const bool has_bias = json_get<bool>(config, "lora_bias", false, source);
  if (is_transposed || has_bias || bias != "none") {
    fail(ErrorCode::invalid_model,
         "{}: expected an adapter without biases and without fan_in_fan_out, found bias \"{}\"; "
         "merge it with PEFT first",
         source, bias);
  }
}

}  // namespace

int64_t LoraConfig::rank_of(std::string_view module) const {
  return by_pattern(ranks, module, rank);
}

double LoraConfig::scale_of(std::string_view module) const {
  const auto r = static_cast<double>(rank_of(module));
  return by_pattern(alphas, module, alpha) / (has_rank_scaling ? std::sqrt(r) : r);
}

LoraConfig read_lora_config(const fs::path& folder) {
  const fs::path path = folder / "adapter_config.json";
  const std::string source = path.string();
  const Json json = read_json_file(path, ErrorCode::invalid_model);
  if (!json.is_object()) fail(ErrorCode::invalid_model, "{}: expected an object", source);
  try {
    check_supported(json, source);
    LoraConfig config;
    config.alpha = json_get<double>(json, "lora_alpha", config.alpha, source);
    config.rank = json_get<int64_t>(json, "r", config.rank, source);
    config.has_rank_scaling = json_get<bool>(json, "use_rslora", false, source);
    config.base = json_get<std::string>(json, "base_model_name_or_path", "", source);
    config.alphas = read_pattern<double>(json, "alpha_pattern", source);
    config.ranks = read_pattern<int64_t>(json, "rank_pattern", source);
    if (config.rank < 1 || config.rank > kMaxRank)
      fail(ErrorCode::invalid_model, "{}: expected r from 1 to {}, found {}", source, kMaxRank,
           config.rank);
    return config;
  } catch (const Error& error) {
    throw Error(ErrorCode::invalid_model, error.message());
  }
}

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

void merge_lora(const fs::path& folder, TensorMap& weights) {
  const LoraConfig config = read_lora_config(folder);
  const fs::path file = adapter_file(folder);
  AdapterTensors sorted;
  for (const auto& [name, tensor] : read_weight_file(file))
    sort_in(flat_training_name(name), tensor, file.string(), sorted);
  if (sorted.modules.empty() && sorted.whole.empty())
    fail(ErrorCode::invalid_model, "{}: expected tensors of an adapter, found none", file.string());
  for (const auto& [name, tensor] : sorted.whole)
    replace_whole(name, tensor, file.string(), weights);
  for (const auto& [module, low] : sorted.modules)
    merge_module(module, low, config, file.string(), weights);
}

}  // namespace vila::formats
