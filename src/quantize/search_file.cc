// SPDX-License-Identifier: Apache-2.0
#include "quantize/search_file.h"

#include <algorithm>

#include "base/error.h"
#include "formats/torch_file.h"
#include "formats/torch_write.h"

namespace vila::quantize {
namespace {

using formats::TorchFile;
using formats::TorchValue;

std::string text_at(const TorchFile& file, const std::string& name, const std::string& source) {
  const auto found = file.texts.find(name);
  if (found != file.texts.end()) return found->second;
  fail(ErrorCode::invalid_model, "{}: \"{}\": expected the name of a layer, found none", source,
       name);
}

// A tensor as f32, its last axis of 1 left out.
Tensor tensor_at(const TorchFile& file, const std::string& name, int rank,
                 const std::string& source) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end() || !is_weight_dtype(found->second.dtype())) {
    fail(ErrorCode::invalid_model, "{}: \"{}\": expected a tensor of floats, found none", source,
         name);
  }
  Tensor tensor = found->second.to(DType::f32);
  const bool has_tail = tensor.rank() == rank + 1 && tensor.dim(-1) == 1;
  if (has_tail) {
    tensor = tensor.reshape(Shape(tensor.shape().extents().first(static_cast<size_t>(rank))));
  }
  if (tensor.rank() != rank) {
    fail(ErrorCode::invalid_model, "{}: \"{}\": expected {} axes, found {}", source, name, rank,
         tensor.text());
  }
  return tensor;
}

bool has_row(const TorchFile& file, const std::string& prefix) {
  return file.texts.contains(prefix + ".0");
}

template <typename Rows>
auto find_row(const Rows& rows, const std::string& name, std::string Rows::value_type::*key) {
  const auto found = std::ranges::find(rows, name, key);
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

const Search::Scale* Search::scale_of(const std::string& absorber) const {
  return find_row(scales, absorber, &Scale::absorber);
}

const Search::Clip* Search::clip_of(const std::string& linear) const {
  return find_row(clips, linear, &Clip::linear);
}

Search read_search(const std::filesystem::path& path) {
  const std::string source = path.string();
  const TorchFile file = formats::read_torch_file(path);
  Search search;
  for (int64_t i = 0; has_row(file, fmt::format("scale.{}", i)); ++i) {
    const std::string row = fmt::format("scale.{}", i);
    Search::Scale scale{
        text_at(file, row + ".0", source), {}, tensor_at(file, row + ".2", 1, source)};
    for (int64_t k = 0; file.texts.contains(fmt::format("{}.1.{}", row, k)); ++k)
      scale.linears.push_back(text_at(file, fmt::format("{}.1.{}", row, k), source));
    search.scales.push_back(std::move(scale));
  }
  for (int64_t i = 0; has_row(file, fmt::format("clip.{}", i)); ++i) {
    const std::string row = fmt::format("clip.{}", i);
    search.clips.push_back(
        {text_at(file, row + ".0", source), tensor_at(file, row + ".1", 2, source)});
  }
  if (search.empty()) {
    fail(ErrorCode::invalid_model,
         "{}: expected a search result of AWQ with \"scale\" and \"clip\", found neither", source);
  }
  return search;
}

void write_search(const std::filesystem::path& path, const Search& search) {
  std::vector<TorchValue> scales;
  for (const Search::Scale& scale : search.scales) {
    std::vector<TorchValue> linears;
    for (const std::string& linear : scale.linears)
      linears.push_back(TorchValue::of(linear));
    scales.push_back(
        TorchValue::tuple({TorchValue::of(scale.absorber), TorchValue::tuple(std::move(linears)),
                           TorchValue::of(scale.scales)}));
  }
  std::vector<TorchValue> clips;
  for (const Search::Clip& clip : search.clips) {
    const Tensor limits = clip.limits.reshape({clip.limits.dim(0), clip.limits.dim(1), 1});
    clips.push_back(TorchValue::tuple({TorchValue::of(clip.linear), TorchValue::of(limits)}));
  }
  formats::write_torch_file(path, TorchValue::dict({{"scale", TorchValue::list(std::move(scales))},
                                                    {"clip", TorchValue::list(std::move(clips))}}));
}

}  // namespace vila::quantize
