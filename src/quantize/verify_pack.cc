// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "formats/awq_pack.h"
#include "formats/weight_file.h"
#include "quantize/compare_rows.h"
#include "quantize/grid.h"
#include "quantize/verify.h"

namespace vila::quantize {
namespace {

using engine::VerifyRow;
using formats::AwqLayout;
using formats::AwqTensors;
using formats::TensorMap;

/// A layout as the case names it.
struct LayoutRow {
  const char* name;
  AwqLayout layout;
  const char* zeros;
  bool is_written;
};

constexpr LayoutRow kLayouts[] = {{"gemm", AwqLayout::gemm, "qzeros", true},
                                  {"v1", AwqLayout::gemv, "qzeros", true},
                                  {"v2", AwqLayout::v2, "scaled_zeros", true},
                                  {"marlin", AwqLayout::marlin, "qzeros", false},
                                  {"awq_marlin", AwqLayout::awq_marlin, "qzeros", false}};

/// One recorded Linear.
class PackedCase {
 public:
  PackedCase(const std::filesystem::path& path, int64_t group)
      : name_(path.stem().string()), file_(formats::read_weight_file(path)), group_(group) {}

  std::vector<VerifyRow> run() {
    for (const LayoutRow& layout : kLayouts) {
      if (has(std::string(layout.name) + ".qweight")) check_layout(layout);
    }
    if (has("weight_source")) check_quantiser();
    return std::move(rows_);
  }

 private:
  bool has(const std::string& name) const { return file_.contains(name); }

  const Tensor& tensor(const std::string& name) const {
    const auto found = file_.find(name);
    if (found != file_.end()) return found->second;
    fail(ErrorCode::invalid_data, "{}: expected a tensor \"{}\", found none", name_, name);
  }

  void check_layout(const LayoutRow& layout) {
    const std::string prefix = std::string(layout.name) + ".";
    const std::string zeros = prefix + layout.zeros;
    const AwqTensors packed{tensor(prefix + "qweight"), has(zeros) ? tensor(zeros) : Tensor(),
                            tensor(prefix + "scales")};
    const std::string where = name_ + "." + layout.name;
    const Q4Matrix matrix = formats::unpack_awq(packed, group_, where);
    rows_.push_back(compare_exactly(where + ".codes", codes_of(matrix), tensor("codes")));
    if (layout.is_written) check_written(layout, packed, where);
    const bool has_offsets = layout.layout == AwqLayout::v2;
    check_values(matrix, has_offsets ? "dequant_v2" : "dequant_int_zero",
                 has_offsets ? "y_v2" : "y_int_zero", where);
  }

  static Tensor codes_of(const Q4Matrix& matrix) {
    Tensor codes = Tensor::empty(DType::u8, {matrix.out, matrix.in});
    for (int64_t i = 0; i < codes.numel(); ++i)
      codes.data<uint8_t>()[i] = static_cast<uint8_t>(matrix.code(i / matrix.in, i % matrix.in));
    return codes;
  }

  void check_written(const LayoutRow& layout, const AwqTensors& recorded,
                     const std::string& where) {
    const Tensor scales =
        layout.layout == AwqLayout::v2 ? tensor("scale") : tensor("scale").to(DType::f16);
    const AwqTensors written =
        formats::pack_awq(layout.layout, {tensor("codes"), scales, tensor("zeros"), group_});
    rows_.push_back(compare_exactly(where + ".qweight", written.qweight, recorded.qweight));
    rows_.push_back(compare_exactly(where + "." + layout.zeros, written.zeros, recorded.zeros));
    rows_.push_back(compare_exactly(where + ".scales", written.scales, recorded.scales));
  }

  // A product and a sum in f32; an fma may differ in the last bit. Products of rows as a sum.
  void check_values(const Q4Matrix& matrix, const std::string& values, const std::string& products,
                    const std::string& where) {
    constexpr double kLastBit = 1e-6;
    constexpr double kSum = 2e-5;
    if (has(values)) {
      rows_.push_back(
          compare_within(where + "." + values, dequantise(matrix), tensor(values), kLastBit));
    }
    if (!has(products)) return;
    Tensor y = q4_matmul_reference(tensor("x"), matrix);
    if (has("bias")) {
      const Tensor bias = tensor("bias").to(DType::f32);
      for (int64_t i = 0; i < y.numel(); ++i)
        y.data<float>()[i] += bias.data<float>()[i % bias.numel()];
    }
    rows_.push_back(compare_within(where + "." + products, y, tensor(products),
                                   kSum * std::sqrt(static_cast<double>(matrix.in))));
  }

  void check_quantiser() {
    const Tensor& source = tensor("weight_source");
    const GridOptions options{.group = group_, .arithmetic = source.dtype()};
    ThreadPool pool(1);
    const QuantisedMatrix matrix = quantise(source.to(DType::f32), options, pool, name_);
    rows_.push_back(compare_exactly(name_ + ".quantiser.codes", matrix.codes, tensor("codes")));
    rows_.push_back(compare_exactly(name_ + ".quantiser.zeros", matrix.zeros, tensor("zeros")));
    rows_.push_back(
        compare_exactly(name_ + ".quantiser.scale", matrix.scales, tensor("scale").to(DType::f32)));
  }

  std::string name_;
  TensorMap file_;
  int64_t group_;
  std::vector<VerifyRow> rows_;
};

/// The recorded rows of one group each, for a number of bits; 4 has plain names.
void check_edges(const TensorMap& file, int bits, std::vector<VerifyRow>& rows) {
  const Tensor weight = file.at("weight").to(DType::f32);
  ThreadPool pool(1);
  const QuantisedMatrix matrix =
      quantise(weight, {.bits = bits, .group = weight.dim(1)}, pool, "edge-groups");
  const std::string suffix = bits == 4 ? "" : fmt::format("_int{}", bits);
  const std::string where = fmt::format("edge-groups.int{}", bits);
  const auto check = [&](const std::string& name, const Tensor& actual) {
    const auto found = file.find(name + suffix);
    if (found == file.end()) return;
    const Tensor shaped = actual.reshape(found->second.shape());
    rows.push_back(compare_exactly(
        where + "." + name, is_weight_dtype(found->second.dtype()) ? shaped.to(DType::f32) : shaped,
        found->second));
  };
  check("codes", matrix.codes);
  check("scale", matrix.scales);
  Tensor zeros = Tensor::empty(DType::f32, matrix.zeros.shape());
  for (int64_t i = 0; i < zeros.numel(); ++i)
    zeros.data<float>()[i] = static_cast<float>(matrix.zeros.data<uint8_t>()[i]);
  check("zero", zeros);
  check("dequant", dequantise(matrix));
}

}  // namespace

std::vector<VerifyRow> verify_pack(const std::filesystem::path& folder) {
  const Json summary = read_json_file(folder / "summary.json", ErrorCode::invalid_data);
  std::vector<VerifyRow> rows;
  for (const Json& entry : summary) {
    if (!entry.is_object() || !entry.contains("group")) continue;
    PackedCase packed(folder / entry.at("file").get<std::string>(),
                      entry.at("group").get<int64_t>());
    for (VerifyRow& row : packed.run())
      rows.push_back(std::move(row));
  }
  const TensorMap edges = formats::read_weight_file(folder / "edge-groups.safetensors");
  for (const int bits : {4, 3, 8})
    check_edges(edges, bits, rows);
  return rows;
}

}  // namespace vila::quantize
