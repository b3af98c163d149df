// SPDX-License-Identifier: Apache-2.0
// A weight w of 23 bits is split into w = high * 4096 + low, both of which fit into 16 bits, so
// that vpmaddwd sums two samples at once: the sums of the highs and of the lows are exact, and so
// is their sum.
#include <cstring>
#include <vector>

#include <immintrin.h>

#include "base/cpu_info.h"
#include "media/resize_passes.h"

#define VILA_AVX2 __attribute__((target("avx2")))

namespace vila::media {
namespace {

constexpr int kLowBits = 12;
constexpr int32_t kLowMask = (1 << kLowBits) - 1;
constexpr int64_t kTaps = 4;     // pixels of a step of the horizontal pass
constexpr int64_t kMargin = 32;  // bytes that it may read behind a row
constexpr int64_t kRowsAtOnce = 4;

int16_t high_of(int32_t weight) {
  return static_cast<int16_t>(weight >> kLowBits);
}

int16_t low_of(int32_t weight) {
  return static_cast<int16_t>(weight & kLowMask);
}

/// Weights of kTaps pixels as the horizontal pass multiplies them: for each of three channels the
/// pair of the first two, then of the last two.
struct alignas(32) TapWeights {
  int16_t high[16];
  int16_t low[16];
};

struct PackedRun {
  int64_t first_byte;
  size_t begin;  // of its TapWeights
  size_t end;
  int32_t start[4];  // what the sums begin with
};

struct PackedAxis {
  std::vector<PackedRun> runs;
  std::vector<TapWeights> taps;
};

TapWeights pack_taps(std::span<const int32_t> weights) {
  TapWeights taps{};
  for (size_t i = 0; i < weights.size(); ++i) {
    for (size_t c = 0; c < 3; ++c) {
      const size_t at = i / 2 * 8 + c * 2 + i % 2;
      taps.high[at] = high_of(weights[i]);
      taps.low[at] = low_of(weights[i]);
    }
  }
  return taps;
}

PackedAxis pack(const AxisWeights& axis, Beside colour) {
  PackedAxis packed;
  for (const AxisWeights::Run& run : axis.runs) {
    PackedRun row{run.first * 3, packed.taps.size(), 0, {0, 0, 0, 0}};
    for (size_t c = 0; c < 3; ++c)
      row.start[c] = kHalf + colour[c] * run.outside;
    const std::span<const int32_t> weights = axis.of(run);
    for (size_t i = 0; i < weights.size(); i += kTaps)
      packed.taps.push_back(
          pack_taps(weights.subspan(i, std::min<size_t>(kTaps, weights.size() - i))));
    row.end = packed.taps.size();
    packed.runs.push_back(row);
  }
  return packed;
}

/// Rows at `rows` of `in` to the same rows of `out`, kRowsAtOnce or one of them together.
template <int64_t kRows>
VILA_AVX2 void resample_rows(const uint8_t* const (&rows)[kRows], const PackedAxis& axis,
                             uint8_t* const (&targets)[kRows]) {
  // Bytes of two pixels to words r0 r1 g0 g1 b0 b1, pixels 0 and 1 below, 2 and 3 above.
  const __m256i order =
      _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                       6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  int64_t written = 0;
  for (const PackedRun& run : axis.runs) {
    __m256i high[kRows];
    __m256i low[kRows];
    for (int64_t r = 0; r < kRows; ++r)
      high[r] = low[r] = _mm256_setzero_si256();
    int64_t at = run.first_byte;
    for (size_t i = run.begin; i < run.end; ++i, at += kTaps * 3) {
      const __m256i high_weights =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(axis.taps[i].high));
      const __m256i low_weights =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(axis.taps[i].low));
      for (int64_t r = 0; r < kRows; ++r) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[r] + at));
        const __m256i pixels = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), order);
        high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(pixels, high_weights));
        low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(pixels, low_weights));
      }
    }
    const __m128i start = _mm_loadu_si128(reinterpret_cast<const __m128i*>(run.start));
    for (int64_t r = 0; r < kRows; ++r) {
      const __m256i both = _mm256_add_epi32(_mm256_slli_epi32(high[r], kLowBits), low[r]);
      const __m128i sum = _mm_add_epi32(
          start, _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1)));
      const __m128i words = _mm_packs_epi32(_mm_srai_epi32(sum, kPrecisionBits), sum);
      const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
      std::memcpy(targets[r] + written, &bytes, 3);
    }
    written += 3;
  }
}

/// Rows behind which kMargin bytes can be read.
int64_t safe_rows(const RowsView& in) {
  const int64_t unsafe = (kMargin + in.row_bytes - 1) / in.row_bytes;
  return std::max<int64_t>(0, in.rows - unsafe);
}

VILA_AVX2 void horizontal(const RowsView& in, const AxisWeights& axis, Beside colour, Image& out) {
  const PackedAxis packed = pack(axis, colour);
  const int64_t safe = safe_rows(in);
  int64_t y = 0;
  for (; y + kRowsAtOnce <= safe; y += kRowsAtOnce) {
    const uint8_t* rows[kRowsAtOnce];
    uint8_t* targets[kRowsAtOnce];
    for (int64_t r = 0; r < kRowsAtOnce; ++r) {
      rows[r] = in.data + (y + r) * in.row_bytes;
      targets[r] = out.at(0, y + r);
    }
    resample_rows<kRowsAtOnce>(rows, packed, targets);
  }
  std::vector<uint8_t> padded(static_cast<size_t>(in.row_bytes + kMargin));
  for (; y < in.rows; ++y) {
    std::memcpy(padded.data(), in.data + y * in.row_bytes, static_cast<size_t>(in.row_bytes));
    resample_rows<1>({padded.data()}, packed, {out.at(0, y)});
  }
}

/// Sums of 16 samples.
struct Sums {
  __m256i high[2];
  __m256i low[2];
};

/// Adds two rows' samples times two weights.
VILA_AVX2 inline void add_two(Sums& sums, __m128i a, __m128i b, int32_t weight_a,
                              int32_t weight_b) {
  const auto pair = [](int16_t first, int16_t second) {
    return static_cast<int32_t>(static_cast<uint16_t>(first)) |
           static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint16_t>(second)) << 16);
  };
  const __m256i high = _mm256_set1_epi32(pair(high_of(weight_a), high_of(weight_b)));
  const __m256i low = _mm256_set1_epi32(pair(low_of(weight_a), low_of(weight_b)));
  const __m256i pixels[2] = {_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)),
                             _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b))};
  for (int half = 0; half < 2; ++half) {
    sums.high[half] = _mm256_add_epi32(sums.high[half], _mm256_madd_epi16(pixels[half], high));
    sums.low[half] = _mm256_add_epi32(sums.low[half], _mm256_madd_epi16(pixels[half], low));
  }
}

VILA_AVX2 inline __m128i load(const uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

/// 16 samples of an output row. @param blank  16 samples of the blank row.
VILA_AVX2 inline __m128i resample_16(const uint8_t* column, int64_t row_bytes,
                                     std::span<const int32_t> weights, const uint8_t* blank,
                                     int32_t outside) {
  Sums sums;
  for (int half = 0; half < 2; ++half) {
    const __m256i beside =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(blank + 8 * half)));
    sums.high[half] = _mm256_setzero_si256();
    sums.low[half] = _mm256_add_epi32(_mm256_set1_epi32(kHalf),
                                      _mm256_mullo_epi32(beside, _mm256_set1_epi32(outside)));
  }
  size_t i = 0;
  for (; i + 2 <= weights.size(); i += 2, column += 2 * row_bytes)
    add_two(sums, load(column), load(column + row_bytes), weights[i], weights[i + 1]);
  if (i < weights.size()) add_two(sums, load(column), _mm_setzero_si128(), weights[i], 0);
  __m256i words[2];
  for (int half = 0; half < 2; ++half) {
    const __m256i sum =
        _mm256_add_epi32(_mm256_slli_epi32(sums.high[half], kLowBits), sums.low[half]);
    words[half] = _mm256_srai_epi32(sum, kPrecisionBits);
  }
  // Packing works within 128-bit lanes: quarters come as 0 2 1 3.
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(words[0], words[1]), 0xD8);
  return _mm_packus_epi16(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
}

VILA_AVX2 void vertical(const RowsView& in, int64_t first, const AxisWeights& axis, Beside blank,
                        Image& out) {
  constexpr int64_t kStep = 16;
  const auto width = static_cast<int64_t>(blank.size());
  for (size_t y = 0; y < axis.runs.size(); ++y) {
    const AxisWeights::Run& run = axis.runs[y];
    const uint8_t* const rows = in.data + (run.first - first) * in.row_bytes;
    uint8_t* const target = out.at(0, static_cast<int64_t>(y));
    int64_t x = 0;
    for (; x + kStep <= width; x += kStep) {
      _mm_storeu_si128(
          reinterpret_cast<__m128i*>(target + x),
          resample_16(rows + x, in.row_bytes, axis.of(run), blank.data() + x, run.outside));
    }
    for (; x < width; ++x) {
      int32_t sum = kHalf + blank[static_cast<size_t>(x)] * run.outside;
      const uint8_t* sample = rows + x;
      for (const int32_t weight : axis.of(run)) {
        sum += *sample * weight;
        sample += in.row_bytes;
      }
      target[x] = to_byte(sum);
    }
  }
}

}  // namespace

const ResizePasses* avx2_passes() {
  static constexpr ResizePasses kPasses = {"avx2", horizontal, vertical};
  static const bool has_avx2 = detect_cpu().has_avx2;
  return has_avx2 ? &kPasses : nullptr;
}

}  // namespace vila::media
