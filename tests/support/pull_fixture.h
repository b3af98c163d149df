// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include "hub/pull.h"
#include "support/fake_hub.h"
#include "support/temporary_folder.h"

namespace vila::hub {

inline constexpr const char* kConfig = R"({"model_type": "llava_llama"})";

/// A hub with a config, weights and a page, and an empty cache to pull into.
class PullTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 100'000; ++i)
      weights_ += static_cast<char>(i * 7 % 251);
    hub_.add("config.json", kConfig);
    hub_.add("README.md", "about it");
    hub_.add("llm/model.safetensors", weights_, true);
    settings_.endpoint = hub_.url();
    settings_.cache = folder_ / "hub";
    settings_.first_wait = std::chrono::milliseconds(1);
    settings_.stall_timeout = std::chrono::milliseconds(300);
    settings_.attempts = 4;
  }

  std::filesystem::path cache() const { return settings_.cache; }

  std::filesystem::path weights_blob() const {
    return cache() / "models--org--tiny/blobs" / hub_.etag("llm/model.safetensors");
  }

  std::filesystem::path partial_weights() const { return weights_blob() += ".incomplete"; }

  Pulled pull(const formats::HubId& id = {.repository = test::FakeHub::kRepository}) const {
    return hub::pull(id, {}, settings_, hooks_);
  }

  test::TemporaryFolder folder_;
  std::string weights_;
  test::FakeHub hub_;
  Settings settings_;
  Hooks hooks_;
};

}  // namespace vila::hub
