// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/sanitizer.h"
#include "kernels/reference.h"
#include "kernels/select.h"
#include "vila/error.h"

namespace {

std::atomic<int64_t> heap_allocations{0};

}  // namespace

// Counts allocations of the whole program; the sanitizers need their own operator new. Inlined, GCC
// would take free() of what operator new returned for a mismatch.
#if !VILA_HAS_ASAN && !defined(__SANITIZE_THREAD__)
void* operator new(size_t size) {
  heap_allocations.fetch_add(1);
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}

[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
#endif

namespace vila::ops {
namespace {

Tensor normal_tensor(const Shape& shape, uint64_t seed, DType dtype = DType::f32) {
  Random random(seed);
  Tensor tensor = Tensor::empty(DType::f32, shape);
  for (float& value : tensor.values<float>())
    value = static_cast<float>(random.normal());
  return dtype == DType::f32 ? tensor : tensor.to(dtype);
}

/// A context of its own, with the best kernels.
struct Bench {
  explicit Bench(int threads) : pool(threads) {}

  Arena arena;
  ThreadPool pool;
  Context ctx{arena, pool, kernels::best_kernels(), {}};
};

using Step = std::function<Tensor(Context&)>;

void expect_same_bits_for_any_thread_count(const Step& step) {
  Bench one(1);
  const Tensor expected = step(one.ctx);
  for (const int threads : {2, 3, 5}) {
    Bench many(threads);
    const Tensor actual = step(many.ctx);
    ASSERT_EQ(actual.shape(), expected.shape());
    EXPECT_EQ(std::memcmp(actual.raw(), expected.raw(), actual.nbytes()), 0) << threads;
  }
}

void expect_near(const Tensor& actual, const std::vector<double>& expected, double bound) {
  ASSERT_EQ(actual.numel(), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(actual.values<float>()[i]), expected[i], bound) << i;
  }
}

TEST(Linear, MatchesTheReferenceForEveryWeightDtype) {
  const Tensor x = normal_tensor({37, 100}, 1);
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    const Tensor weight = normal_tensor({70, 100}, 2, dtype);
    const Tensor bias = normal_tensor({70}, 3, dtype);
    const Tensor wide = weight.to(DType::f32);
    const Tensor wide_bias = bias.to(DType::f32);
    std::vector<double> expected(37 * 70);
    kernels::reference::gemm(
        {x.data<float>(), wide.data<float>(), wide_bias.data<float>(), 37, 100, 70},
        expected.data());
    Bench bench(2);
    expect_near(linear(bench.ctx, x, weight, bias), expected, 1e-4);
  }
}

TEST(Linear, DoesNotDependOnThreadsNorOnTheBatch) {
  const Tensor x = normal_tensor({150, 256}, 4);
  const Tensor weight = normal_tensor({300, 256}, 5, DType::bf16);
  expect_same_bits_for_any_thread_count(
      [&](Context& ctx) { return linear(ctx, x, weight, Tensor()); });
  Bench bench(2);
  const Tensor batch = linear(bench.ctx, x, weight, Tensor());
  for (const int64_t row : {0, 77, 149}) {
    const Tensor single = linear(bench.ctx, x.rows(row, row + 1), weight, Tensor());
    EXPECT_EQ(std::memcmp(single.raw(), batch.rows(row, row + 1).raw(), single.nbytes()), 0);
  }
}

TEST(Linear, TakesNoRows) {
  Bench bench(2);
  const Tensor y =
      linear(bench.ctx, Tensor::empty(DType::f32, {0, 8}), normal_tensor({4, 8}, 6), Tensor());
  EXPECT_EQ(y.shape(), Shape({0, 4}));
}

TEST(Linear, CallsAMisshapedWeightABug) {
  Bench bench(1);
  const Tensor x = normal_tensor({2, 8}, 7);
  EXPECT_THROW(linear(bench.ctx, x, normal_tensor({4, 9}, 8), Tensor()), Bug);
  EXPECT_THROW(linear(bench.ctx, x, normal_tensor({4, 8}, 8), normal_tensor({5}, 9)), Bug);
}

TEST(Norm, MatchesTheReferenceWithHalfPrecisionWeights) {
  const Tensor x = normal_tensor({9, 70}, 10);
  const Tensor weight = normal_tensor({70}, 11, DType::f16);
  const Tensor bias = normal_tensor({70}, 12, DType::bf16);
  const Tensor wide_weight = weight.to(DType::f32);
  const Tensor wide_bias = bias.to(DType::f32);
  std::vector<double> expected_rms;
  std::vector<double> expected_layer;
  for (int64_t t = 0; t < 9; ++t) {
    const kernels::NormArgs row{x.data<float>() + t * 70,
                                wide_weight.data<float>(),
                                wide_bias.data<float>(),
                                1e-5F,
                                70,
                                nullptr};
    std::vector<double> y(70);
    kernels::reference::rms_norm(row, y.data());
    expected_rms.insert(expected_rms.end(), y.begin(), y.end());
    kernels::reference::layer_norm(row, y.data());
    expected_layer.insert(expected_layer.end(), y.begin(), y.end());
  }
  Bench bench(2);
  expect_near(rms_norm(bench.ctx, x, weight, 1e-5), expected_rms, 1e-5);
  expect_near(layer_norm(bench.ctx, x, weight, bias, 1e-5), expected_layer, 1e-5);
}

TEST(Elementwise, MatchesTheReferenceAcrossTasks) {
  const Tensor x = normal_tensor({3, 10'001}, 13);
  const Tensor other = normal_tensor({3, 10'001}, 14);
  Bench bench(2);
  const Tensor sum = add(bench.ctx, x, other);
  const Tensor gated = silu_mul(bench.ctx, x, other);
  const Tensor exact = gelu(bench.ctx, x);
  const Tensor by_tanh = gelu_tanh(bench.ctx, x);
  const Tensor quick = quick_gelu(bench.ctx, x);
  for (size_t i = 0; i < static_cast<size_t>(x.numel()); ++i) {
    const auto a = static_cast<double>(x.values<float>()[i]);
    const auto b = static_cast<double>(other.values<float>()[i]);
    ASSERT_NEAR(static_cast<double>(sum.values<float>()[i]), a + b, 1e-6);
    ASSERT_NEAR(static_cast<double>(gated.values<float>()[i]), kernels::reference::silu(a) * b,
                1e-5);
    ASSERT_NEAR(static_cast<double>(exact.values<float>()[i]), kernels::reference::gelu(a), 2e-6);
    ASSERT_NEAR(static_cast<double>(by_tanh.values<float>()[i]), kernels::reference::gelu_tanh(a),
                4e-6);
    ASSERT_NEAR(static_cast<double>(quick.values<float>()[i]), kernels::reference::quick_gelu(a),
                4e-6);
  }
}

TEST(Embedding, GathersAndWidensRows) {
  const Tensor table = normal_tensor({5, 19}, 15, DType::bf16);
  const Tensor wide = table.to(DType::f32);
  const std::vector<int32_t> ids = {4, 0, 4};
  Bench bench(2);
  const Tensor y = embedding(bench.ctx, table, ids);
  ASSERT_EQ(y.shape(), Shape({3, 19}));
  for (int64_t t = 0; t < 3; ++t) {
    const int64_t id = ids[static_cast<size_t>(t)];
    EXPECT_EQ(std::memcmp(y.rows(t, t + 1).raw(), wide.rows(id, id + 1).raw(), 19 * sizeof(float)),
              0);
  }
  EXPECT_THROW(embedding(bench.ctx, table, std::vector<int32_t>{5}), Bug);
  EXPECT_THROW(embedding(bench.ctx, table, std::vector<int32_t>{-1}), Bug);
}

TEST(Patchify, FollowsTheOrderOfAConvolutionAndDropsTheRest) {
  Tensor pixels = Tensor::empty(DType::f32, {2, 3, 5, 5});  // patches of 2: the fifth line is left
  for (int64_t i = 0; i < pixels.numel(); ++i)
    pixels.data<float>()[i] = static_cast<float>(i);
  Bench bench(1);
  const Tensor y = patchify(bench.ctx, pixels, 2);
  ASSERT_EQ(y.shape(), Shape({8, 12}));
  // Image 1, patch (row 1, column 0), channel 2, inside at (1, 0): pixel (1, 2, 3, 0).
  EXPECT_EQ((y.data<float>()[6 * 12 + 2 * 4 + 2]),
            static_cast<float>(((1 * 3 + 2) * 5 + 3) * 5 + 0));
  // Image 0, patch (0, 1), channel 0: pixels (0, 2), (0, 3), (1, 2), (1, 3).
  const std::vector<float> expected = {2, 3, 7, 8};
  EXPECT_EQ(std::memcmp(y.data<float>() + 12, expected.data(), 4 * sizeof(float)), 0);
}

TEST(Rope, TablesHoldAnglesAndRotationKeepsLengths) {
  const RopeTable table = make_rope_table(50, 8, 10000.0);
  ASSERT_EQ(table.cos.shape(), Shape({50, 4}));
  // Frequencies of E = 8: 1, 0.1, 0.01, 0.001.
  EXPECT_NEAR((table.cos.data<float>()[7 * 4 + 1]), std::cos(0.7), 1e-6);
  EXPECT_NEAR((table.sin.data<float>()[49 * 4 + 2]), std::sin(0.49), 1e-6);
  Tensor x = normal_tensor({2, 3, 8}, 16);
  const Tensor before = x.to(DType::f32);
  Bench bench(2);
  rotate(bench.ctx, table, std::vector<int32_t>{0, 9}, x);
  EXPECT_EQ(std::memcmp(x.rows(0, 1).raw(), before.rows(0, 1).raw(), 24 * sizeof(float)), 0);
  for (int64_t i = 24; i < 48; ++i) {
    if (i % 8 >= 4) continue;
    const float* new_pair = x.data<float>() + i;
    const float* old_pair = before.data<float>() + i;
    EXPECT_NEAR(std::hypot(new_pair[0], new_pair[4]), std::hypot(old_pair[0], old_pair[4]), 1e-5);
  }
  EXPECT_THROW(rotate(bench.ctx, table, std::vector<int32_t>{0, 50}, x), Bug);
}

TEST(AttendFull, MatchesTheReferencePerSequenceAndHead) {
  const int64_t rows = 70;
  const int64_t heads = 2;
  const int64_t size = 24;
  const int64_t width = heads * size;
  const Tensor q = normal_tensor({2 * rows, width}, 17);
  const Tensor k = normal_tensor({2 * rows, width}, 18);
  const Tensor v = normal_tensor({2 * rows, width}, 19);
  Bench bench(2);
  const Tensor out = attend_full(bench.ctx, q, k, v, 2, heads);
  for (int64_t part = 0; part < 2 * heads; ++part) {
    const int64_t first = part / heads * rows * width + part % heads * size;
    std::vector<double> expected(static_cast<size_t>(rows * size));
    kernels::reference::attend(
        {q.data<float>() + first, width, k.data<float>() + first, v.data<float>() + first, width,
         nullptr, 0, rows, rows, size, 0, false, 1.0F / std::sqrt(24.0F)},
        expected.data());
    for (int64_t i = 0; i < rows * size; ++i) {
      const float actual = out.data<float>()[first + i / size * width + i % size];
      ASSERT_NEAR(static_cast<double>(actual), expected[static_cast<size_t>(i)], 1e-5);
    }
  }
  expect_same_bits_for_any_thread_count(
      [&](Context& ctx) { return attend_full(ctx, q, k, v, 2, heads); });
}

/// Keys and values [tokens, G, E] f32, as a tensor holds them.
KvView token_major(const Tensor& keys, const Tensor& values, int64_t head_dim) {
  KvView view;
  view.keys = keys.raw();
  view.values = values.raw();
  view.head_stride = head_dim;
  view.token_stride = keys.dim(1);
  return view;
}

/// Two sequences in one batch, 4 query heads on 2 key heads: a long prefill and a decode step.
struct CausalBatch {
  static constexpr int64_t kHeads = 4;
  static constexpr int64_t kKvHeads = 2;
  static constexpr int64_t kSize = 16;
  Tensor q = normal_tensor({151, kHeads* kSize}, 20);
  Tensor first_keys = normal_tensor({200, kKvHeads* kSize}, 21);
  Tensor first_values = normal_tensor({200, kKvHeads* kSize}, 22);
  Tensor second_keys = normal_tensor({90, kKvHeads* kSize}, 23);
  Tensor second_values = normal_tensor({90, kKvHeads* kSize}, 24);
  std::vector<CausalSequence> sequences = {
      {0, 150, 160, token_major(first_keys, first_values, kSize)},
      {150, 1, 88, token_major(second_keys, second_values, kSize), true}};
};

TEST(AttendCausal, MatchesTheReferenceForPrefillAndDecodeTogether) {
  const CausalBatch batch;
  Bench bench(2);
  const Tensor out =
      attend_causal(bench.ctx, batch.q, batch.sequences, batch.kHeads, batch.kKvHeads);
  const int64_t width = batch.kHeads * batch.kSize;
  for (const CausalSequence& sequence : batch.sequences) {
    for (int64_t head = 0; head < batch.kHeads; ++head) {
      const int64_t first = sequence.row_begin * width + head * batch.kSize;
      const int64_t kv_first = head / 2 * batch.kSize;
      std::vector<double> expected(static_cast<size_t>(sequence.rows * batch.kSize));
      kernels::reference::attend(
          {batch.q.data<float>() + first, width,
           static_cast<const float*>(sequence.kv.keys) + kv_first,
           static_cast<const float*>(sequence.kv.values) + kv_first, batch.kKvHeads * batch.kSize,
           nullptr, 0, sequence.rows, sequence.length, batch.kSize,
           sequence.length - sequence.rows + 1, true, 0.25F},
          expected.data());
      for (int64_t i = 0; i < sequence.rows * batch.kSize; ++i) {
        const float actual = out.data<float>()[first + i / batch.kSize * width + i % batch.kSize];
        ASSERT_NEAR(static_cast<double>(actual), expected[static_cast<size_t>(i)], 1e-5);
      }
    }
  }
}

TEST(AttendCausal, DoesNotDependOnThreadsNorOnBatchMates) {
  const CausalBatch batch;
  expect_same_bits_for_any_thread_count([&](Context& ctx) {
    return attend_causal(ctx, batch.q, batch.sequences, batch.kHeads, batch.kKvHeads);
  });
  Bench bench(2);
  const Tensor both =
      attend_causal(bench.ctx, batch.q, batch.sequences, batch.kHeads, batch.kKvHeads);
  CausalSequence alone = batch.sequences[1];
  alone.row_begin = 0;
  const Tensor single =
      attend_causal(bench.ctx, batch.q.rows(150, 151), {&alone, 1}, batch.kHeads, batch.kKvHeads);
  EXPECT_EQ(std::memcmp(single.raw(), both.rows(150, 151).raw(), single.nbytes()), 0);
}

/// A cache [G, capacity, E] of one dtype with room around what is written.
struct TinyCache {
  static constexpr int64_t kCapacity = 9;
  Tensor keys, values;
  Tensor key_scales = Tensor::zeros(DType::f32, {2, kCapacity});
  Tensor value_scales = Tensor::zeros(DType::f32, {2, kCapacity});

  explicit TinyCache(DType dtype)
      : keys(Tensor::zeros(dtype, {2, kCapacity, 8})),
        values(Tensor::zeros(dtype, {2, kCapacity, 8})) {}

  KvView view() const {
    return {keys.raw(),
            values.raw(),
            keys.dtype(),
            kCapacity * 8,
            8,
            key_scales.data<float>(),
            value_scales.data<float>(),
            kCapacity};
  }

  /// What element e of head g of token t is worth.
  double worth(const Tensor& vectors, const Tensor& scales, int64_t g, int64_t t, int64_t e) const {
    const int64_t at = (g * kCapacity + t) * 8 + e;
    if (vectors.dtype() == DType::f32) return static_cast<double>(vectors.data<float>()[at]);
    if (vectors.dtype() == DType::f16) return static_cast<double>(to_f32(vectors.data<f16>()[at]));
    return static_cast<double>(scales.data<float>()[g * kCapacity + t]) *
           static_cast<double>(vectors.data<int8_t>()[at]);
  }
};

TEST(StoreKv, RoundsEachVectorToItsPlaceAndTouchesNoOther) {
  const Tensor keys = normal_tensor({4, 16}, 40);
  const Tensor values = normal_tensor({4, 16}, 41);
  Bench bench(2);
  for (const auto& [dtype, tolerance] :
       {std::pair{DType::f32, 0.0}, std::pair{DType::f16, 2e-3}, std::pair{DType::i8, 2e-2}}) {
    const TinyCache cache(dtype);
    const CausalSequence sequence{1, 3, 7, cache.view()};  // rows 1 to 3 become tokens 4 to 6
    store_kv(bench.ctx, keys, values, {&sequence, 1}, 2);
    for (int64_t g = 0; g < 2; ++g) {
      for (int64_t t = 0; t < TinyCache::kCapacity; ++t) {
        for (int64_t e = 0; e < 8; ++e) {
          const bool is_new = t >= 4 && t < 7;
          const int64_t source = (t - 3) * 16 + g * 8 + e;
          const auto key = is_new ? static_cast<double>(keys.data<float>()[source]) : 0.0;
          const auto value = is_new ? static_cast<double>(values.data<float>()[source]) : 0.0;
          EXPECT_NEAR(cache.worth(cache.keys, cache.key_scales, g, t, e), key, tolerance);
          EXPECT_NEAR(cache.worth(cache.values, cache.value_scales, g, t, e), value, tolerance);
        }
      }
    }
  }
}

TEST(StoreKv, CallsI8WithoutScalesABug) {
  const TinyCache cache(DType::i8);
  CausalSequence sequence{0, 1, 1, cache.view()};
  sequence.kv.value_scales = nullptr;
  const Tensor rows = normal_tensor({1, 16}, 42);
  Bench bench(1);
  EXPECT_THROW(store_kv(bench.ctx, rows, rows, {&sequence, 1}, 2), Bug);
}

TEST(AttendCausal, GivesStreamedHeadsTheSameBitsTogetherAndApart) {
  // Two key heads: up to two threads their query heads stream together, beyond each is a task.
  const CausalBatch batch;
  expect_same_bits_for_any_thread_count([&](Context& ctx) {
    return attend_causal(ctx, batch.q.rows(150, 151), {{{0, 1, 88, batch.sequences[1].kv, true}}},
                         batch.kHeads, batch.kKvHeads);
  });
}

TEST(AttendCausal, CallsASequenceOutsideTheBatchABug) {
  CausalBatch batch;
  batch.sequences[1].row_begin = 151;
  Bench bench(1);
  EXPECT_THROW(attend_causal(bench.ctx, batch.q, batch.sequences, batch.kHeads, batch.kKvHeads),
               Bug);
}

/// One decoder layer's worth of ops on a single row.
Tensor decode_like_step(Context& ctx, const Tensor& x, const Tensor& weight, const Tensor& gain,
                        std::span<const CausalSequence> sequences) {
  Tensor h = rms_norm(ctx, x, gain, 1e-5);
  Tensor q = linear(ctx, h, weight, Tensor());
  h = add(ctx, x, attend_causal(ctx, q, sequences, 4, 2));
  return add(ctx, h, silu_mul(ctx, linear(ctx, h, weight, gain), q));
}

TEST(Ops, AllocateNothingFromTheHeapInSteadyState) {
#if VILA_HAS_ASAN || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "operator new belongs to the sanitizer";
#endif
  const CausalBatch batch;
  const std::vector<CausalSequence> sequences = {{0, 1, 160, batch.sequences[0].kv, true}};
  const Tensor x = normal_tensor({1, 64}, 25);
  const Tensor weight = normal_tensor({64, 64}, 26, DType::bf16);
  const Tensor gain = normal_tensor({64}, 27, DType::f16);
  Bench bench(2);
  for (int warm_up = 0; warm_up < 2; ++warm_up) {
    decode_like_step(bench.ctx, x, weight, gain, sequences);
    bench.arena.reset();
  }
  const int64_t before = heap_allocations.load();
  for (int step = 0; step < 100; ++step) {
    decode_like_step(bench.ctx, x, weight, gain, sequences);
    bench.arena.reset();
  }
  EXPECT_EQ(heap_allocations.load() - before, 0);
}

TEST(AddScaled, ScalesEachColumnOfTheSecond) {
  Bench bench(1);
  const Tensor a = Tensor::zeros(DType::f32, {2, 2});
  const Tensor b = Tensor::empty(DType::f32, {2, 2});
  const Tensor scale = Tensor::empty(DType::f32, {2});
  for (int64_t i = 0; i < 4; ++i)
    b.data<float>()[i] = static_cast<float>(i + 1);
  a.data<float>()[3] = 0.5F;
  scale.data<float>()[0] = 10;
  scale.data<float>()[1] = -1;
  const Tensor y = add_scaled(bench.ctx, a, b, scale);
  const std::vector<float> values(y.data<float>(), y.data<float>() + 4);
  EXPECT_EQ(values, (std::vector<float>{10, -2, 30, -3.5F}));
}

}  // namespace
}  // namespace vila::ops
