// SPDX-License-Identifier: Apache-2.0
#include "quantize/export.h"

#include <array>
#include <cmath>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/awq_pack.h"
#include "formats/torch_write.h"
#include "formats/vila_file.h"
#include "quantize/quantiser.h"

namespace vila::quantize {
namespace {

namespace fs = std::filesystem;
using formats::AwqLayout;
using formats::ModelPackage;
using formats::TensorMap;

constexpr const char* kFirstLinear = "model.layers.0.self_attn.q_proj.weight";

/// [out, in] of every Linear of a layer.
std::vector<Shape> linear_shapes(const spec::DecoderConfig& config) {
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  return {{queries, config.hidden_size},
          {keys, config.hidden_size},
          {config.hidden_size, queries},
          {config.intermediate_size, config.hidden_size},
          {config.hidden_size, config.intermediate_size}};
}

AwqLayout layout_of(Target target) {
  return target == Target::awq ? AwqLayout::v2 : AwqLayout::gemm;
}

/// Converts, and refuses a finite number that f16 cannot hold.
Tensor narrowed(const Tensor& tensor, DType dtype, const std::string& name) {
  const Tensor converted = tensor.to(dtype);
  if (dtype != DType::f16) return converted;
  for (int64_t i = 0; i < converted.numel(); ++i) {
    if (std::isfinite(to_f32(converted.data<f16>()[i]))) continue;
    fail(ErrorCode::invalid_model, "\"{}\": expected numbers up to 65504 for f16, found more",
         name);
  }
  return converted;
}

/// A Linear of a finished layer that is read when it is needed.
formats::QuantisedMatrix lazy_matrix(const fs::path& layer, size_t linear,
                                     const QuantisedMatrix& matrix) {
  return {.out = matrix.out,
          .in = matrix.in,
          .group = matrix.options.group,
          .bits = matrix.options.bits,
          .pack = [=] { return vila::pack(to_q4(read_quantised(layer).matrices[linear])); },
          .dequantise = [=] { return dequantise(read_quantised(layer).matrices[linear]); }};
}

/// Puts one quantised layer into the decoder's tensors.
class LayerExport {
 public:
  LayerExport(ModelPackage& package, const std::string& part, Target target, DType dtype)
      : tensors_(package.parts.at(part)),
        quantised_(package.quantised),
        part_(part),
        target_(target),
        dtype_(dtype) {}

  void put(const fs::path& path, int64_t index) {
    const LayerResult layer = read_quantised(path);
    Block names;
    names.index = index;
    put_float(names.prefix() + "input_layernorm.weight", layer.input_norm);
    put_float(names.prefix() + "post_attention_layernorm.weight", layer.post_attention_norm);
    for (size_t i = 0; i < kLinears; ++i) {
      const std::string name = names.name(i);
      if (layer.biases[i].defined()) put_float(name + ".bias", layer.biases[i]);
      if (target_ == Target::floats) {
        tensors_.insert_or_assign(name + ".weight", dequantise(layer.matrices[i]));
      } else if (target_ == Target::vila) {
        tensors_.erase(name + ".weight");
        quantised_[part_].insert_or_assign(name + ".weight",
                                           lazy_matrix(path, i, layer.matrices[i]));
      } else {
        put_packed(name, layer.matrices[i]);
      }
    }
  }

 private:
  void put_float(const std::string& name, const Tensor& tensor) {
    tensors_.insert_or_assign(name, narrowed(tensor, dtype_, name));
  }

  void put_packed(const std::string& name, const QuantisedMatrix& matrix) {
    const Tensor scales = narrowed(matrix.scales, dtype_, name + ".scales");
    const formats::AwqTensors packed = formats::pack_awq(
        layout_of(target_), {matrix.codes, scales, matrix.zeros, matrix.options.group});
    tensors_.erase(name + ".weight");
    tensors_.insert_or_assign(name + ".qweight", packed.qweight);
    tensors_.insert_or_assign(name + ".scales", packed.scales);
    tensors_.insert_or_assign(name + (target_ == Target::awq ? ".scaled_zeros" : ".qzeros"),
                              packed.zeros);
  }

  TensorMap& tensors_;
  std::map<std::string, formats::QuantisedMap>& quantised_;
  std::string part_;
  Target target_;
  DType dtype_;
};

/// AutoAWQ's description of its packing in the decoder's config.json.
void describe_autoawq(ModelPackage& package, const std::string& part, int64_t group) {
  std::string& content = package.files[part.empty() ? "config.json" : part + "/config.json"];
  Json config = parse_json(content.empty() ? "{}" : content, "config.json");
  config["quantization_config"] = {{"quant_method", "awq"}, {"bits", 4},
                                   {"group_size", group},   {"zero_point", true},
                                   {"version", "gemm"},     {"modules_to_not_convert", nullptr}};
  content = config.dump(2) + "\n";
}

/// Codes, scales and zero points, or offsets, of a packed matrix.
formats::AwqSource awq_source(const PackedMatrix& matrix, const std::string& name) {
  if (!formats::can_pack(AwqLayout::v2, matrix.out, matrix.in, matrix.group)) {
    fail(ErrorCode::invalid_model,
         "\"{}\": expected sizes that llm-awq's layout holds, 4 outputs by 64 inputs, found "
         "[{}, {}] in groups of {}",
         name, matrix.out, matrix.in, matrix.group);
  }
  const Shape groups({matrix.out, matrix.groups()});
  formats::AwqSource source{
      Tensor::empty(DType::u8, {matrix.out, matrix.in}), Tensor::empty(DType::f16, groups),
      Tensor::empty(matrix.has_offsets ? DType::f16 : DType::u8, groups), matrix.group};
  for (int64_t n = 0; n < matrix.out; ++n) {
    for (int64_t k = 0; k < matrix.in; ++k)
      source.codes.data<uint8_t>()[n * matrix.in + k] = static_cast<uint8_t>(matrix.code(n, k));
    for (int64_t g = 0; g < matrix.groups(); ++g) {
      const int64_t place = n * matrix.groups() + g;
      const float shift = matrix.shift(n, g);
      source.scales.data<f16>()[place] = to_f16(matrix.scale(n, g));
      if (matrix.has_offsets) {
        source.zeros.data<f16>()[place] = to_f16(shift);
      } else {
        source.zeros.data<uint8_t>()[place] = static_cast<uint8_t>(shift);
      }
    }
  }
  return source;
}

void put_awq(const std::string& linear, const formats::AwqSource& source, TensorMap& tensors) {
  const formats::AwqTensors packed = formats::pack_awq(AwqLayout::v2, source);
  tensors.insert_or_assign(linear + ".qweight", packed.qweight);
  tensors.insert_or_assign(linear + ".scales", packed.scales);
  tensors.insert_or_assign(linear + ".scaled_zeros", packed.zeros);
}

formats::TorchValue state_dict(const TensorMap& tensors) {
  std::vector<std::pair<std::string, formats::TorchValue>> rows;
  for (const auto& [name, tensor] : tensors)
    rows.emplace_back(name, formats::TorchValue::of(tensor));
  return formats::TorchValue::dict(std::move(rows));
}

void write_awq_folder(const fs::path& path, const ModelPackage& package, const std::string& name) {
  const std::string part = decoder_part(package);
  if (fs::exists(path)) {
    fail(ErrorCode::invalid_argument, "{}: expected a new name, found something there",
         path.string());
  }
  const fs::path partial = path.string() + ".partial";
  fs::remove_all(partial);
  ModelPackage rest = package;
  rest.parts.erase(part);
  formats::write_folder(partial, rest);
  fs::create_directories(partial / part);
  formats::write_torch_file(partial / part / name, state_dict(package.parts.at(part)));
  fs::rename(partial, path);
}

}  // namespace

const char* target_name(Target target) noexcept {
  constexpr std::array<const char*, 4> kNames = {"awq", "autoawq", "vila", "floats"};
  return kNames[static_cast<size_t>(target)];
}

std::string unfit(Target target, const spec::DecoderConfig& config, const GridOptions& grid) {
  if (target == Target::floats) return {};
  if (grid.bits != 4) return fmt::format("packed files hold 4 bits, not {}", grid.bits);
  for (const Shape& shape : linear_shapes(config)) {
    const bool fits = target == Target::vila
                          ? PackedMatrix::can_hold(shape[0], shape[1], grid.group, grid.bits)
                          : formats::can_pack(layout_of(target), shape[0], shape[1], grid.group);
    if (fits) continue;
    return fmt::format("a Linear of {} does not fit a file of kind {} in groups of {}",
                       shape.text(), target_name(target), grid.group);
  }
  return {};
}

std::string decoder_part(const ModelPackage& package) {
  for (const auto& [name, tensors] : package.parts) {
    if (tensors.contains(kFirstLinear)) return name;
    if (tensors.contains("model.layers.0.self_attn.q_proj.qweight")) return name;
  }
  for (const auto& [name, matrices] : package.quantised) {
    if (matrices.contains(kFirstLinear)) return name;
  }
  fail(ErrorCode::invalid_model, "expected a language model with \"{}\", found none", kFirstLinear);
}

void replace_linears(ModelPackage& package, std::span<const fs::path> layers, Target target) {
  const std::string part = decoder_part(package);
  const bool may_be_bf16 = target == Target::awq || target == Target::vila;
  const bool is_bf16 =
      may_be_bf16 && package.parts.at(part).find(kFirstLinear)->second.dtype() == DType::bf16;
  const DType dtype = target == Target::floats ? DType::f32 : is_bf16 ? DType::bf16 : DType::f16;
  LayerExport exporter(package, part, target, dtype);
  for (size_t i = 0; i < layers.size(); ++i)
    exporter.put(layers[i], static_cast<int64_t>(i));
  if (target == Target::floats) return;
  for (auto& [name, tensor] : package.parts.at(part)) {
    if (tensor.dtype() == DType::f32) tensor = narrowed(tensor, dtype, name);
  }
  if (target != Target::autoawq) return;
  describe_autoawq(package, part, read_quantised(layers.front()).matrices[0].options.group);
}

void round_head(ModelPackage& package, Target target) {
  if (target != Target::floats && target != Target::vila) {
    fail(ErrorCode::invalid_argument,
         "files of kind {} hold embeddings as floats only; write a .vila file for 8 bits",
         target_name(target));
  }
  const std::string part = decoder_part(package);
  TensorMap& tensors = package.parts.at(part);
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) continue;
    if (target == Target::floats) {
      found->second = round_rows_8bit(found->second);
      continue;
    }
    const Tensor& weight = found->second;
    package.quantised[part].insert_or_assign(
        name, formats::quantised(quantise_rows_8bit(weight, weight.dim(1))));
    tensors.erase(found);
  }
}

int64_t repack_awq(ModelPackage& package) {
  const std::string part = decoder_part(package);
  const auto first = package.quantised[part].find(kFirstLinear);
  if (first == package.quantised[part].end() || first->second.bits != 4) {
    fail(ErrorCode::invalid_model,
         "expected a language model in 4 bits, found \"{}\" as floats; `vila quantize IN OUT --to "
         "awq` makes one",
         kFirstLinear);
  }
  const int64_t group = first->second.group;
  for (auto& [name, matrices] : package.quantised) {
    for (auto& [weight, matrix] : matrices) {
      if (matrix.bits == 4) {
        put_awq(weight.substr(0, weight.rfind(".weight")), awq_source(matrix.pack(), weight),
                package.parts[name]);
      } else {
        package.parts[name].insert_or_assign(weight, matrix.dequantise().to(DType::f16));
      }
    }
  }
  package.quantised.clear();
  return group;
}

std::string awq_file_name(const std::string& name, int64_t group) {
  return fmt::format("{}-w4-g{}-awq-v2.pt", name, group);
}

void write_quantised(const fs::path& path, const ModelPackage& package, Target target,
                     const std::string& name) {
  if (target == Target::vila) return formats::write_vila(path, package);
  if (target != Target::awq) return formats::write_folder(path, package);
  if (path.extension() != ".pt") return write_awq_folder(path, package, name);
  formats::write_torch_file(path, state_dict(package.parts.at(decoder_part(package))));
}

}  // namespace vila::quantize
