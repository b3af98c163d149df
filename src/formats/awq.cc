// SPDX-License-Identifier: Apache-2.0
#include "formats/awq.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kDefaultGroup = 128;
constexpr int64_t kNibbles = 8;  // of a 32-bit word
constexpr std::array<int64_t, 8> kInterleave = {0, 2, 4, 6, 1, 3, 5, 7};
constexpr std::string_view kQWeight = ".qweight";

template <typename... Args>
[[noreturn]] void reject(const std::string& where, fmt::format_string<Args...> format,
                         Args&&... args) {
  fail(ErrorCode::invalid_model, "{}: {}", where, fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void reject_shapes(const AwqTensors& tensors, const std::string& where) {
  reject(where,
         "expected a 4-bit Linear of AWQ, AutoAWQ or Marlin, found qweight {}, zeros {}, scales {}",
         tensors.qweight.text(), tensors.zeros.defined() ? tensors.zeros.text() : "none",
         tensors.scales.text());
}

/// What is common to unpacking any layout.
struct Unpacking {
  const AwqTensors& tensors;
  Q4Matrix matrix;

  /// Nibble `i` of the 32-bit word at (row, column) of `words`, whose dtype awq_layout() has seen:
  /// data() would ask again for each of some billion codes.
  static unsigned nibble(const Tensor& words, int64_t row, int64_t column, int64_t i) {
    const auto* first = static_cast<const uint32_t*>(words.raw());
    return first[row * words.dim(1) + column] >> (4 * i) & 15U;
  }

  /// Q4Matrix::set_code(), for as many codes.
  void set_code(int64_t n, int64_t k, unsigned code) {
    uint8_t& byte = static_cast<uint8_t*>(matrix.codes.raw())[n * (matrix.in / 2) + k / 2];
    byte = static_cast<uint8_t>(byte | code << (k % 2 * 4));
  }

  /// The scale at (row, column) of `scales` in float.
  static float element(const Tensor& values, int64_t row, int64_t column) {
    const int64_t at = row * values.dim(1) + column;
    if (values.dtype() == DType::f16) return to_f32(values.data<f16>()[at]);
    if (values.dtype() == DType::bf16) return to_f32(values.data<bf16>()[at]);
    return values.data<float>()[at];
  }

  void set_group(int64_t n, int64_t g, float scale, float offset) {
    matrix.scales.data<float>()[n * matrix.groups() + g] = scale;
    matrix.offsets.data<float>()[n * matrix.groups() + g] = offset;
  }

  /// An integer zero point: the product of at most 11 and 4 bits is exact.
  void set_zero(int64_t n, int64_t g, float scale, unsigned zero) {
    set_group(n, g, scale, -(static_cast<float>(zero) * scale));
  }
};

/// The matrix to fill. @throws Error when the sizes are no 4-bit matrix.
Q4Matrix matrix_of(int64_t out, int64_t in, int64_t group, const std::string& where) {
  if (out <= 0 || in <= 0 || group <= 0 || in % group != 0 || in % 2 != 0) {
    reject(where, "expected groups that divide the {} inputs of {} outputs, found groups of {}", in,
           out, group);
  }
  return Q4Matrix::zeros(out, in, group);
}

/// Codes of gemm: word (k, c) holds eight outputs of input k. Sixteen words, a line of the cache,
/// at a time and two inputs to a byte, so that both sides are walked line by line.
void unpack_gemm_codes(const Tensor& qweight, Q4Matrix& matrix) {
  constexpr int64_t kLine = 16;
  const int64_t words = qweight.dim(1);
  const auto* first = static_cast<const uint32_t*>(qweight.raw());
  auto* codes = static_cast<uint8_t*>(matrix.codes.raw());
  const int64_t row_bytes = matrix.in / 2;
  for (int64_t line = 0; line < words; line += kLine) {
    const int64_t end = std::min(line + kLine, words);
    for (int64_t byte = 0; byte < row_bytes; ++byte) {
      const uint32_t* even = first + 2 * byte * words;
      const uint32_t* odd = even + words;
      for (int64_t c = line; c < end; ++c) {
        uint8_t* target = codes + kNibbles * c * row_bytes + byte;
        for (size_t i = 0; i < kInterleave.size(); ++i) {
          const uint32_t low = even[c] >> (4 * i) & 15U;
          const uint32_t high = odd[c] >> (4 * i) & 15U;
          target[kInterleave[i] * row_bytes] = static_cast<uint8_t>(low | high << 4U);
        }
      }
    }
  }
}

Q4Matrix unpack_gemm(const AwqTensors& tensors, const std::string& where) {
  const int64_t in = tensors.qweight.dim(0);
  const int64_t words = tensors.qweight.dim(1);
  const int64_t groups = tensors.scales.dim(0);
  Unpacking u{tensors, matrix_of(words * kNibbles, in, groups > 0 ? in / groups : 0, where)};
  if (u.matrix.groups() != groups) reject_shapes(tensors, where);
  unpack_gemm_codes(tensors.qweight, u.matrix);
  for (int64_t i = 0; i < kNibbles; ++i) {
    for (int64_t c = 0; c < words; ++c) {
      const int64_t n = kNibbles * c + kInterleave[static_cast<size_t>(i)];
      for (int64_t g = 0; g < groups; ++g)
        u.set_zero(n, g, Unpacking::element(tensors.scales, g, n),
                   Unpacking::nibble(tensors.zeros, g, c, i));
    }
  }
  return std::move(u.matrix);
}

/// Padded groups have scale 0: other numbers there mean that the group is another.
void check_padding(const AwqTensors& tensors, int64_t out, int64_t groups, bool is_transposed,
                   const std::string& where) {
  const int64_t width = tensors.scales.dim(is_transposed ? 0 : 1);
  if (groups > width) {
    reject(where, "expected scales of {} groups, found {}; is the group size right?", groups,
           width);
  }
  for (int64_t n = 0; n < out; ++n) {
    for (int64_t g = groups; g < width; ++g) {
      const float scale = is_transposed ? Unpacking::element(tensors.scales, g, n)
                                        : Unpacking::element(tensors.scales, n, g);
      if (scale == 0) continue;
      reject(where, "expected {} groups, found a scale for group {}; is the group size right?",
             groups, g);
    }
  }
}

Q4Matrix unpack_gemv(const AwqTensors& tensors, int64_t group, const std::string& where) {
  const int64_t out = tensors.qweight.dim(0);
  const int64_t in = tensors.qweight.dim(1) * kNibbles;
  Unpacking u{tensors, matrix_of(out, in, group, where)};
  check_padding(tensors, out, u.matrix.groups(), false, where);
  for (int64_t n = 0; n < out; ++n) {
    for (int64_t k = 0; k < in; ++k)
      u.set_code(n, k, Unpacking::nibble(tensors.qweight, n, k / kNibbles, k % kNibbles));
    for (int64_t g = 0; g < u.matrix.groups(); ++g)
      u.set_zero(n, g, Unpacking::element(tensors.scales, n, g),
                 Unpacking::nibble(tensors.zeros, n, g / kNibbles, g % kNibbles));
  }
  return std::move(u.matrix);
}

/// Of each 64 columns and 4 rows, 64 words of 16 bit: 16 for each row, whose nibbles are 8 columns
/// apart.
Q4Matrix unpack_v2(const AwqTensors& tensors, int64_t group, const std::string& where) {
  const int64_t blocks = tensors.qweight.dim(0);
  const int64_t in = tensors.qweight.dim(1);
  Unpacking u{tensors, matrix_of(4 * blocks, in, group, where)};
  check_padding(tensors, u.matrix.out, u.matrix.groups(), true, where);
  const int16_t* words = tensors.qweight.data<int16_t>();
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t c = 0; c < in; ++c) {
      const auto word = static_cast<uint16_t>(words[block * in + c]);
      const int64_t n = 4 * block + c % 64 / 16;
      const int64_t k = c / 64 * 64 + c % 16 / 8 * 32 + c % 8;
      for (int64_t t = 0; t < 4; ++t)
        u.set_code(n, k + 8 * t, word >> (4 * t) & 15U);
    }
  }
  for (int64_t n = 0; n < u.matrix.out; ++n) {
    for (int64_t g = 0; g < u.matrix.groups(); ++g)
      u.set_group(n, g, Unpacking::element(tensors.scales, g, n),
                  Unpacking::element(tensors.zeros, g, n));
  }
  return std::move(u.matrix);
}

/// Column of Marlin's scales (or zeros) at which output `n` stands.
int64_t marlin_column(int64_t n, bool is_grouped) {
  if (is_grouped) return n / 64 * 64 + n % 8 * 8 + n % 64 / 8;
  // Of each 32: position 8i + t holds column 2i + {0, 1, 8, 9, 16, 17, 24, 25}[t].
  const int64_t column = n % 32;
  return n / 32 * 32 + column % 8 / 2 * 8 + column / 8 * 2 + column % 2;
}

/// Codes in tiles of 16 inputs and 64 outputs, 128 words each: a word is what one lane of a tensor
/// core's fragment holds.
void unpack_marlin_codes(Unpacking& u) {
  const Tensor& words = u.tensors.qweight;
  for (int64_t tile = 0; tile < words.dim(0); ++tile) {
    for (int64_t at = 0; at < words.dim(1); ++at) {
      const int64_t lane = at % 128 / 4;
      const int64_t n = at / 128 * 64 + at % 4 * 16 + lane / 4;
      for (int64_t i = 0; i < kNibbles; ++i) {
        const int64_t part = kInterleave[static_cast<size_t>(i)];
        const int64_t k = 16 * tile + lane % 4 * 2 + part % 4 / 2 * 8 + part % 2;
        u.set_code(n + part / 4 * 8, k, Unpacking::nibble(words, tile, at, i));
      }
    }
  }
}

Q4Matrix unpack_marlin(const AwqTensors& tensors, bool has_zeros, const std::string& where) {
  const int64_t in = tensors.qweight.dim(0) * 16;
  const int64_t out = tensors.scales.dim(1);
  const int64_t groups = tensors.scales.dim(0);
  Unpacking u{tensors, matrix_of(out, in, groups > 0 ? in / groups : 0, where)};
  if (u.matrix.groups() != groups) reject_shapes(tensors, where);
  unpack_marlin_codes(u);
  for (int64_t n = 0; n < out; ++n) {
    for (int64_t g = 0; g < groups; ++g) {
      const float scale = Unpacking::element(tensors.scales, g, marlin_column(n, groups > 1));
      const int64_t column = marlin_column(n, true);
      unsigned zero = 8;
      for (int64_t i = 0; has_zeros && i < kNibbles; ++i) {
        if (kInterleave[static_cast<size_t>(i)] != column % kNibbles) continue;
        zero = Unpacking::nibble(tensors.zeros, g, column / kNibbles, i);
      }
      u.set_zero(n, g, scale, zero);
    }
  }
  return std::move(u.matrix);
}

bool is_matrix(const Tensor& tensor, DType dtype) {
  return tensor.defined() && tensor.rank() == 2 && tensor.dtype() == dtype;
}

/// Sizes of the matrix that `tensors` hold in this layout; codes and scales still unread.
QuantisedMatrix sizes_of(AwqLayout layout, const AwqTensors& tensors, int64_t group) {
  const int64_t rows = tensors.qweight.dim(0);
  const int64_t columns = tensors.qweight.dim(1);
  const int64_t groups = std::max<int64_t>(tensors.scales.dim(0), 1);
  QuantisedMatrix matrix;
  switch (layout) {
    case AwqLayout::gemm:
      matrix.out = columns * kNibbles;
      matrix.in = rows;
      matrix.group = rows / groups;
      break;
    case AwqLayout::gemv:
      matrix.out = rows;
      matrix.in = columns * kNibbles;
      matrix.group = group;
      break;
    case AwqLayout::v2:
      matrix.out = 4 * rows;
      matrix.in = columns;
      matrix.group = group;
      break;
    case AwqLayout::marlin:
    case AwqLayout::awq_marlin:
      matrix.out = tensors.scales.dim(1);
      matrix.in = 16 * rows;
      matrix.group = 16 * rows / groups;
      break;
  }
  return matrix;
}

QuantisedMatrix quantised_linear(const AwqTensors& tensors, int64_t group, const std::string& where,
                                 const FileMaps& files) {
  QuantisedMatrix matrix = sizes_of(awq_layout(tensors, where), tensors, group);
  if (!PackedMatrix::can_hold(matrix.out, matrix.in, matrix.group, matrix.bits)) {
    reject(where, "expected groups of a multiple of 8 that divide the {} inputs, found {}",
           matrix.in, matrix.group);
  }
  matrix.pack = [tensors, group, where, files] {
    PackedMatrix packed = vila::pack(unpack_awq(tensors, group, where));
    for (const Tensor& source : {tensors.qweight, tensors.zeros, tensors.scales})
      release_pages(source, files);
    return packed;
  };
  matrix.dequantise = [tensors, group, where] {
    return vila::dequantise(unpack_awq(tensors, group, where));
  };
  return matrix;
}

/// The group that a config object names, if it is one of AWQ.
std::optional<int64_t> group_of(const Json& config, const std::string& source) {
  if (!config.is_object()) return std::nullopt;
  const auto method = json_get<std::string>(config, "quant_method", "awq", source);
  const auto bits =
      json_get<int64_t>(config, config.contains("w_bit") ? "w_bit" : "bits", 4, source);
  if (method != "awq" || bits != 4) {
    reject(source, "expected AWQ with 4 bits, found method \"{}\" with {}", method, bits);
  }
  const char* key = config.contains("q_group_size") ? "q_group_size" : "group_size";
  return json_get<int64_t>(config, key, kDefaultGroup, source);
}

/// The number of a "-g128-" in the name of a file.
std::optional<int64_t> group_in_name(const std::string& name) {
  for (size_t at = name.find("-g"); at != name.npos; at = name.find("-g", at + 2)) {
    int64_t group = 0;
    const char* first = name.data() + at + 2;
    const auto [last, error] = std::from_chars(first, name.data() + name.size(), group);
    if (error == std::errc() && last != first) return group;
  }
  return std::nullopt;
}

}  // namespace

std::string_view awq_layout_name(AwqLayout layout) noexcept {
  constexpr std::array<std::string_view, 5> kNames = {"gemm", "gemv", "v2", "marlin", "awq_marlin"};
  return kNames[static_cast<size_t>(layout)];
}

AwqLayout awq_layout(const AwqTensors& tensors, const std::string& where) {
  const auto& [qweight, zeros, scales] = tensors;
  if (!scales.defined() || scales.rank() != 2 || !is_weight_dtype(scales.dtype()) ||
      scales.numel() == 0 || qweight.numel() == 0) {
    reject_shapes(tensors, where);
  }
  if (is_matrix(qweight, DType::i16) && is_matrix(zeros, scales.dtype()) &&
      zeros.shape() == scales.shape() && scales.dim(1) == 4 * qweight.dim(0) &&
      qweight.dim(1) % 64 == 0) {
    return AwqLayout::v2;
  }
  if (!is_matrix(qweight, DType::i32)) reject_shapes(tensors, where);
  const bool is_tiled = qweight.dim(1) == 2 * scales.dim(1) && scales.dim(1) % 64 == 0;
  if (!zeros.defined() && is_tiled) return AwqLayout::marlin;
  if (!is_matrix(zeros, DType::i32)) reject_shapes(tensors, where);
  const bool zeros_by_column =
      zeros.dim(0) == scales.dim(0) && scales.dim(1) == kNibbles * zeros.dim(1);
  if (zeros_by_column && is_tiled) return AwqLayout::awq_marlin;
  if (zeros_by_column && zeros.dim(1) == qweight.dim(1)) return AwqLayout::gemm;
  if (zeros_by_column && zeros.dim(0) == qweight.dim(0)) return AwqLayout::gemv;
  reject_shapes(tensors, where);
}

Q4Matrix unpack_awq(const AwqTensors& tensors, int64_t group, const std::string& where) {
  switch (awq_layout(tensors, where)) {
    case AwqLayout::gemm:
      return unpack_gemm(tensors, where);
    case AwqLayout::gemv:
      return unpack_gemv(tensors, group, where);
    case AwqLayout::v2:
      return unpack_v2(tensors, group, where);
    case AwqLayout::marlin:
      return unpack_marlin(tensors, false, where);
    case AwqLayout::awq_marlin:
      return unpack_marlin(tensors, true, where);
  }
  reject_shapes(tensors, where);
}

QuantisedMap take_awq_linears(TensorMap& tensors, int64_t group, const AwqOrigin& source) {
  QuantisedMap linears;
  const auto take = [&](const std::string& name) {
    const auto node = tensors.extract(name);
    return node.empty() ? Tensor() : node.mapped();
  };
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    if (name.ends_with(kQWeight)) names.push_back(name.substr(0, name.size() - kQWeight.size()));
  }
  for (const std::string& name : names) {
    AwqTensors packed{take(name + ".qweight"), take(name + ".qzeros"), take(name + ".scales")};
    if (!packed.zeros.defined()) packed.zeros = take(name + ".scaled_zeros");
    take(name + ".workspace");  // scratch of Marlin's kernels
    linears.emplace(name + ".weight",
                    quantised_linear(packed, group, fmt::format("{}: \"{}\"", source.name, name),
                                     source.files));
  }
  return linears;
}

int64_t awq_group(const fs::path& weight_file) {
  const fs::path folder = weight_file.parent_path();
  for (const char* name : {"config.json", "quant_config.json", "quantize_config.json"}) {
    const fs::path path = folder / name;
    if (!fs::exists(path)) continue;
    Json config = read_json_file(path, ErrorCode::invalid_model);
    if (path.filename() == "config.json") {
      const auto found = config.is_object() ? config.find("quantization_config") : config.end();
      config = config.is_object() && found != config.end() ? Json(*found) : Json();
    }
    try {
      if (const auto group = group_of(config, path.string())) return *group;
    } catch (const Error& error) {
      throw Error(ErrorCode::invalid_model, error.message());
    }
  }
  return group_in_name(weight_file.filename().string()).value_or(kDefaultGroup);
}

}  // namespace vila::formats
