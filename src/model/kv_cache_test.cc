// SPDX-License-Identifier: Apache-2.0
#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace vila::model {
namespace {

spec::DecoderConfig small_config() {
  spec::DecoderConfig config;
  config.num_hidden_layers = 3;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  return config;
}

TEST(KvCache, KeepsKeysAndValuesOfEveryLayerApart) {
  const spec::DecoderConfig config = small_config();
  KvCache cache(config, 5);
  const int64_t values_per_layer = 5 * 2 * 4;
  for (int64_t layer = 0; layer < 3; ++layer) {
    std::fill_n(cache.keys(layer), values_per_layer, static_cast<float>(layer));
    std::fill_n(cache.values(layer), values_per_layer, static_cast<float>(-layer - 1));
  }
  for (int64_t layer = 0; layer < 3; ++layer) {
    EXPECT_EQ(cache.keys(layer)[0], static_cast<float>(layer));
    EXPECT_EQ(cache.keys(layer)[values_per_layer - 1], static_cast<float>(layer));
    EXPECT_EQ(cache.values(layer)[values_per_layer - 1], static_cast<float>(-layer - 1));
  }
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

TEST(KvCache, TellsItsBytesWithoutOverflow) {
  EXPECT_EQ(KvCache::bytes(small_config(), 5), 3 * 2 * 5 * 2 * 4 * 4);
  try {
    KvCache::bytes(small_config(), int64_t{1} << 60);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::insufficient_memory);
  }
}

}  // namespace
}  // namespace vila::model
