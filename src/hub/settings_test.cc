// SPDX-License-Identifier: Apache-2.0
#include "hub/settings.h"

#include <map>

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::hub {
namespace {

using test::expect_error;

Settings settings_of(std::map<std::string, std::string> variables) {
  variables.try_emplace("HOME", "/home/ada");
  return read_settings([&](const char* name) { return variables[name]; });
}

TEST(Settings, AreTheHubsOwnWithoutVariables) {
  const Settings settings = settings_of({});

  EXPECT_EQ(settings.endpoint, "https://huggingface.co");
  EXPECT_EQ(settings.cache, "/home/ada/.cache/huggingface/hub");
  EXPECT_EQ(settings.token, "");
  EXPECT_FALSE(settings.is_offline);
}

TEST(Settings, PutTheCacheWhereTheVariablesSay) {
  EXPECT_EQ(settings_of({{"XDG_CACHE_HOME", "/c"}}).cache, "/c/huggingface/hub");
  EXPECT_EQ(settings_of({{"XDG_CACHE_HOME", "/c"}, {"HF_HOME", "/hf"}}).cache, "/hf/hub");
  EXPECT_EQ(settings_of({{"HF_HOME", "/hf"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}).cache, "/old");
  EXPECT_EQ(settings_of({{"HF_HUB_CACHE", "/new"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}).cache,
            "/new");
  expect_error(ErrorCode::invalid_argument, "HF_HUB_CACHE", [] { settings_of({{"HOME", ""}}); });
}

TEST(Settings, TakeAnotherServer) {
  EXPECT_EQ(settings_of({{"HF_ENDPOINT", "https://hub.example/"}}).endpoint, "https://hub.example");
  expect_error(ErrorCode::invalid_argument, "HF_ENDPOINT", [] {
    settings_of({{"HF_ENDPOINT", "hub.example"}});
  });
}

TEST(Settings, AreOfflineForEveryFormOfYes) {
  for (const char* yes : {"1", "ON", "Yes", "true"})
    EXPECT_TRUE(settings_of({{"HF_HUB_OFFLINE", yes}}).is_offline) << yes;
  EXPECT_FALSE(settings_of({{"HF_HUB_OFFLINE", "0"}}).is_offline);
  EXPECT_TRUE(settings_of({{"TRANSFORMERS_OFFLINE", "1"}}).is_offline);
}

TEST(Settings, TakeTheTokenOfTheVariableOrOfTheFile) {
  const test::TemporaryFolder folder;
  const std::string home = folder.path();
  folder.write("token", "  hf_file\n");
  const std::string other = folder.write("other", "hf_other");

  EXPECT_EQ(settings_of({{"HF_HOME", home}}).token, "hf_file");
  EXPECT_EQ(settings_of({{"HF_HOME", home}, {"HF_TOKEN", "hf_variable\n"}}).token, "hf_variable");
  EXPECT_EQ(settings_of({{"HF_HOME", home}, {"HF_TOKEN_PATH", other}}).token, "hf_other");
  EXPECT_EQ(settings_of({{"HF_HOME", home}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"}}).token, "");
}

TEST(Settings, RefuseATokenThatWouldChangeTheRequest) {
  expect_error(ErrorCode::invalid_argument, "HF_TOKEN", [] {
    settings_of({{"HF_TOKEN", "x\r\nHost: evil"}});
  });
}

TEST(Settings, ReadTimeoutsInSeconds) {
  EXPECT_EQ(settings_of({{"HF_HUB_DOWNLOAD_TIMEOUT", "1.5"}}).stall_timeout.count(), 1500);
  EXPECT_EQ(settings_of({{"HF_HUB_ETAG_TIMEOUT", "3"}}).connect_timeout.count(), 3000);
  for (const char* text : {"soon", "0", "-1", "nan", "1e300"}) {
    expect_error(ErrorCode::invalid_argument, "HF_HUB_DOWNLOAD_TIMEOUT", [&] {
      settings_of({{"HF_HUB_DOWNLOAD_TIMEOUT", text}});
    });
  }
}

}  // namespace
}  // namespace vila::hub
