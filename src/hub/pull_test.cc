// SPDX-License-Identifier: Apache-2.0
#include "hub/pull.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/expect_error.h"
#include "support/pull_fixture.h"

namespace vila::hub {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

TEST_F(PullTest, KeepsTheLayoutOfHuggingFacesCache) {
  const Pulled pulled = pull();

  const fs::path repository = cache() / "models--org--tiny";
  const fs::path snapshot = repository / "snapshots" / hub_.commit;
  EXPECT_EQ(pulled.commit, hub_.commit);
  EXPECT_EQ(pulled.folder, snapshot);
  EXPECT_EQ(read_file(repository / "refs/main"), hub_.commit);
  EXPECT_EQ(read_file(snapshot / "config.json"), kConfig);
  EXPECT_EQ(read_file(snapshot / "llm/model.safetensors"), weights_);
  EXPECT_EQ(fs::read_symlink(snapshot / "config.json"), "../../blobs/" + hub_.etag("config.json"));
  EXPECT_EQ(fs::read_symlink(snapshot / "llm/model.safetensors"),
            "../../../blobs/" + hub_.etag("llm/model.safetensors"));
  EXPECT_FALSE(fs::exists(snapshot / "README.md"));
}

TEST_F(PullTest, FetchesNothingTwice) {
  pull();
  const size_t before = hub_.queries("/resolve/").size();

  const Pulled again = pull();

  EXPECT_EQ(hub_.queries("/resolve/").size(), before);
  for (const PulledFile& file : again.files)
    EXPECT_TRUE(file.was_here) << file.path;
}

TEST_F(PullTest, PinsACommitWithoutARef) {
  const Pulled pulled = pull({.repository = "org/tiny", .revision = hub_.commit});

  EXPECT_TRUE(fs::exists(pulled.folder / "config.json"));
  EXPECT_FALSE(fs::exists(cache() / "models--org--tiny/refs"));
}

TEST_F(PullTest, AsksForSizesThatTheListingLacks) {
  hub_.lists_sizes = false;

  const Pulled pulled = pull();

  EXPECT_EQ(read_file(pulled.folder / "llm/model.safetensors"), weights_);
  EXPECT_TRUE(fs::exists(cache() / "models--org--tiny/blobs" / hub_.etag("llm/model.safetensors")));
}

TEST_F(PullTest, FetchesLargeFilesFromTheStoreThatTheHubNames) {
  const test::HttpServer store(
      [&](const test::HttpQuery& query) { return test::content_reply(query, weights_); });
  hub_.store = store.url();
  hub_.token = settings_.token = "hf_secret";

  const Pulled pulled = pull();

  EXPECT_EQ(read_file(pulled.folder / "llm/model.safetensors"), weights_);
  ASSERT_EQ(store.queries().size(), 1U);
  EXPECT_EQ(store.queries()[0].header("authorization"), "");
}

TEST_F(PullTest, TellsHowFarItIs) {
  std::vector<Hooks::Progress> told;
  hooks_.on_progress = [&](const Hooks::Progress& progress) { told.push_back(progress); };

  pull();

  ASSERT_FALSE(told.empty());
  const uint64_t total = std::string(kConfig).size() + weights_.size();
  EXPECT_EQ(told.back().done, total);
  EXPECT_EQ(told.back().total, total);
  for (const Hooks::Progress& progress : told)
    EXPECT_LE(progress.file_done, progress.file_size);
}

TEST_F(PullTest, IsRefusedBeforeTheFirstByteWhenTheDiskIsTooSmall) {
  hub_.huge_file = "llm/model.safetensors";

  expect_error(ErrorCode::insufficient_disk, "HF_HUB_CACHE", [&] { pull(); });

  EXPECT_TRUE(hub_.queries("/resolve/").empty());
}

TEST_F(PullTest, NeedsNoNetworkForWhatIsHere) {
  pull();
  const size_t before = hub_.queries("").size();
  settings_.is_offline = true;

  const Pulled here = pull();

  EXPECT_EQ(here.files.size(), 2U);
  EXPECT_EQ(hub_.queries("").size(), before);
  expect_error(ErrorCode::network, "HF_HUB_OFFLINE", [&] { pull({.repository = "org/other"}); });
}

TEST_F(PullTest, NamesTheTowerAndTheBaseThatAreNotHere) {
  hub_.add("config.json", R"({"mm_vision_tower": "openai/clip"})");
  hub_.add("adapter_config.json", R"({"base_model_name_or_path": "lmsys/vicuna"})");
  const Pulled pulled = pull();

  const auto missing = missing_companions(pulled.folder);
  ASSERT_EQ(missing.size(), 2U);
  EXPECT_EQ(missing[0].repository, "openai/clip");
  EXPECT_EQ(missing[1].repository, "lmsys/vicuna");

  fs::create_directories(cache() / "models--openai--clip/snapshots" / hub_.commit);
  fs::create_directories(cache() / "models--openai--clip/refs");
  write_file(cache() / "models--openai--clip/refs/main", hub_.commit);
  EXPECT_EQ(missing_companions(pulled.folder).size(), 1U);
}

}  // namespace
}  // namespace vila::hub
