// SPDX-License-Identifier: Apache-2.0
#include "model/kv_cache.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/error.h"

namespace vila::model {
namespace {

constexpr DType kDTypes[] = {DType::f32, DType::f16, DType::i8};

spec::DecoderConfig small_config() {
  spec::DecoderConfig config;
  config.num_hidden_layers = 3;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  return config;
}

int64_t bytes_of_vector(DType dtype) {
  return 4 * static_cast<int64_t>(dtype_size(dtype));
}

char* vector_at(const ops::KvView& view, bool is_key, int64_t head, int64_t token) {
  const int64_t element = head * view.head_stride + token * view.token_stride;
  return static_cast<char*>(is_key ? view.keys : view.values) +
         element * static_cast<int64_t>(dtype_size(view.dtype));
}

/// A byte that tells every vector of the cache from the others.
char mark_of(int64_t layer, bool is_key, int64_t head, int64_t token) {
  return static_cast<char>(((layer * 2 + (is_key ? 1 : 0)) * 2 + head) * 8 + token);
}

template <typename Visit>
void for_each_vector(const KvCache& cache, int64_t tokens, const Visit& visit) {
  for (int64_t layer = 0; layer < 3; ++layer) {
    for (const bool is_key : {true, false}) {
      for (int64_t head = 0; head < 2; ++head) {
        for (int64_t token = 0; token < tokens; ++token)
          visit(cache.view(layer), is_key, head, token, mark_of(layer, is_key, head, token));
      }
    }
  }
}

float& scale_at(const ops::KvView& view, bool is_key, int64_t head, int64_t token) {
  return (is_key ? view.key_scales : view.value_scales)[head * view.scale_stride + token];
}

void write_marks(KvCache& cache, int64_t tokens) {
  for_each_vector(cache, tokens,
                  [](const ops::KvView& view, bool is_key, int64_t head, int64_t token, char mark) {
                    std::fill_n(vector_at(view, is_key, head, token), bytes_of_vector(view.dtype),
                                mark);
                    if (view.dtype == DType::i8) scale_at(view, is_key, head, token) = mark;
                  });
  cache.advance(tokens);
}

void expect_marks(const KvCache& cache, int64_t tokens) {
  for_each_vector(cache, tokens,
                  [](const ops::KvView& view, bool is_key, int64_t head, int64_t token, char mark) {
                    const char* vector = vector_at(view, is_key, head, token);
                    EXPECT_EQ(std::count(vector, vector + bytes_of_vector(view.dtype), mark),
                              bytes_of_vector(view.dtype));
                    if (view.dtype == DType::i8) {
                      EXPECT_EQ(scale_at(view, is_key, head, token), static_cast<float>(mark));
                    }
                  });
}

TEST(KvCache, KeepsVectorsOfEveryLayerHeadAndTokenApart) {
  for (const DType dtype : kDTypes) {
    KvCache cache(small_config(), 5, dtype);
    EXPECT_EQ(cache.dtype(), dtype);
    write_marks(cache, 5);
    expect_marks(cache, 5);
  }
}

TEST(KvCache, CopiesAPrefixIntoACacheOfAnotherCapacity) {
  for (const DType dtype : kDTypes) {
    KvCache from(small_config(), 5, dtype);
    write_marks(from, 5);
    KvCache to(small_config(), 8, dtype);
    to.advance(2);
    to.copy_prefix(from, 4);
    EXPECT_EQ(to.length(), 4);
    expect_marks(to, 4);
  }
}

TEST(KvCache, RefusesAPrefixThatIsNotThere) {
  KvCache from(small_config(), 5);
  from.advance(3);
  KvCache small(small_config(), 2);
  KvCache other(small_config(), 5, DType::f16);
  EXPECT_THROW(small.copy_prefix(from, 3), Bug);
  EXPECT_THROW(other.copy_prefix(from, 1), Bug);
  KvCache same(small_config(), 5);
  EXPECT_THROW(same.copy_prefix(from, 4), Bug);
}

TEST(KvCache, CountsAndForgetsTokens) {
  KvCache cache(small_config(), 5);
  cache.advance(4);
  EXPECT_EQ(cache.length(), 4);
  cache.truncate(1);
  EXPECT_EQ(cache.length(), 1);
  EXPECT_EQ(cache.capacity(), 5);
}

TEST(KvCache, RefusesMoreTokensThanItHolds) {
  KvCache cache(small_config(), 5);
  cache.advance(5);
  EXPECT_THROW(cache.advance(1), Bug);
  EXPECT_THROW(cache.truncate(6), Bug);
}

TEST(KvCache, RefusesInt8ForHeadsThatQuantiseRowsDoesNotTake) {
  spec::DecoderConfig config = small_config();
  config.head_dim = 6;
  EXPECT_THROW(KvCache(config, 5, DType::i8), Error);
  EXPECT_NO_THROW(KvCache(config, 5, DType::f16));
}

TEST(KvCache, TellsItsBytesWithoutOverflow) {
  EXPECT_EQ(KvCache::bytes(small_config(), 5), 3 * 2 * 5 * 2 * 4 * 4);
  EXPECT_EQ(KvCache::bytes(small_config(), 5, DType::f16), 3 * 2 * 5 * 2 * 4 * 2);
  EXPECT_EQ(KvCache::bytes(small_config(), 5, DType::i8), 3 * 2 * 5 * 2 * (4 + 4));
  try {
    KvCache::bytes(small_config(), int64_t{1} << 60);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::insufficient_memory);
  }
}

}  // namespace
}  // namespace vila::model
