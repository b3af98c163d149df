// SPDX-License-Identifier: Apache-2.0
#include "quantize/layer_file.h"

#include <cstring>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace vila::quantize {
namespace {

constexpr const char* kKey = "vila";

Json matrix_json(const QuantisedMatrix& matrix) {
  return {{"bits", matrix.options.bits},
          {"group", matrix.options.group},
          {"arithmetic", dtype_name(matrix.options.arithmetic)}};
}

Json layer_json(const LayerResult& layer, const std::string& fingerprint) {
  Json json = {{"fingerprint", fingerprint},       {"mean_square", layer.error.mean_square},
               {"relative", layer.error.relative}, {"grid", matrix_json(layer.matrices[0])},
               {"scales", Json::array()},          {"clips", Json::array()}};
  for (const Search::Scale& scale : layer.search.scales)
    json["scales"].push_back({{"absorber", scale.absorber}, {"linears", scale.linears}});
  for (const Search::Clip& clip : layer.search.clips)
    json["clips"].push_back(clip.linear);
  return json;
}

DType arithmetic_named(const std::string& name) {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    if (name == dtype_name(dtype)) return dtype;
  }
  return DType::f32;
}

/// The tensors of one file, taken out by name.
class LayerReader {
 public:
  explicit LayerReader(const std::filesystem::path& path)
      : source_(path.string()), file_(formats::read_safetensors(path)) {}

  LayerResult read(const std::string& fingerprint) {
    const auto found = file_.metadata.find(kKey);
    const Json json = parse_json(found == file_.metadata.end() ? "{}" : found->second, source_);
    if (!fingerprint.empty() && json.value("fingerprint", "") != fingerprint) {
      fail(ErrorCode::invalid_argument,
           "{}: was made with another model, calibration or other options; go on with those, or "
           "delete the folder",
           source_);
    }
    LayerResult layer;
    layer.error = {json.at("mean_square").get<double>(), json.at("relative").get<double>()};
    const GridOptions grid = {
        .bits = json.at("grid").at("bits").get<int>(),
        .group = json.at("grid").at("group").get<int64_t>(),
        .arithmetic = arithmetic_named(json.at("grid").at("arithmetic").get<std::string>())};
    layer.input_norm = take("input_norm");
    layer.post_attention_norm = take("post_attention_norm");
    for (size_t i = 0; i < kLinears; ++i) {
      layer.matrices[i] = matrix(linear_name(i), grid);
      const std::string bias = std::string(linear_name(i)) + ".bias";
      if (file_.tensors.contains(bias)) layer.biases[i] = take(bias);
    }
    read_search(json, layer.search);
    return layer;
  }

 private:
  Tensor take(const std::string& name) {
    const auto found = file_.tensors.find(name);
    if (found != file_.tensors.end()) return found->second;
    fail(ErrorCode::invalid_model, "{}: expected a tensor \"{}\", found none", source_, name);
  }

  QuantisedMatrix matrix(const std::string& name, const GridOptions& grid) {
    const Tensor codes = take(name + ".codes");
    return {.out = codes.dim(0),
            .in = codes.dim(1),
            .options = grid,
            .codes = codes,
            .scales = take(name + ".scales"),
            .zeros = take(name + ".zeros")};
  }

  void read_search(const Json& json, Search& search) {
    for (const Json& scale : json.at("scales")) {
      const auto absorber = scale.at("absorber").get<std::string>();
      search.scales.push_back({absorber, scale.at("linears").get<std::vector<std::string>>(),
                               take("scale." + absorber)});
    }
    for (const Json& clip : json.at("clips")) {
      const auto linear = clip.get<std::string>();
      search.clips.push_back({linear, take("clip." + linear)});
    }
  }

  std::string source_;
  formats::SafetensorsFile file_;
};

}  // namespace

void write_layer(const std::filesystem::path& path, const LayerResult& layer,
                 const std::string& fingerprint) {
  std::vector<formats::NamedTensor> tensors = {{"input_norm", layer.input_norm},
                                               {"post_attention_norm", layer.post_attention_norm}};
  for (size_t i = 0; i < kLinears; ++i) {
    const std::string name = linear_name(i);
    tensors.push_back({name + ".codes", layer.matrices[i].codes});
    tensors.push_back({name + ".scales", layer.matrices[i].scales});
    tensors.push_back({name + ".zeros", layer.matrices[i].zeros});
    if (layer.biases[i].defined()) tensors.push_back({name + ".bias", layer.biases[i]});
  }
  for (const Search::Scale& scale : layer.search.scales)
    tensors.push_back({"scale." + scale.absorber, scale.scales});
  for (const Search::Clip& clip : layer.search.clips)
    tensors.push_back({"clip." + clip.linear, clip.limits});
  formats::write_safetensors(path, tensors, {{kKey, layer_json(layer, fingerprint).dump()}});
}

LayerResult read_layer(const std::filesystem::path& path, const std::string& fingerprint) {
  try {
    return LayerReader(path).read(fingerprint);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::invalid_model, "{}: not a finished layer: {}", path.string(), error.what());
  }
}

std::string digest(const Tensor& tensor) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto mix = [&](uint64_t word) { hash = (hash ^ word) * 0x100000001b3 ^ (hash >> 47); };
  const auto* bytes = static_cast<const unsigned char*>(tensor.raw());
  size_t i = 0;
  for (; i + sizeof(uint64_t) <= tensor.nbytes(); i += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes + i, sizeof word);
    mix(word);
  }
  for (; i < tensor.nbytes(); ++i)
    mix(bytes[i]);
  return fmt::format("{:016x}", hash);
}

}  // namespace vila::quantize
