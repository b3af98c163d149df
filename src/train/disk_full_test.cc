// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/process.h"
#include "support/temporary_folder.h"
#include "support/tiny_tokenizer.h"

namespace vila::train {
namespace {

namespace fs = std::filesystem;

/// The real vila-train, whose output lies on a file system that is full before it ends: a tmpfs
/// that only this test sees, in namespaces of its own, which needs no root.
class DiskFull : public testing::Test {
 protected:
  void SetUp() override {
    const auto trial = test::run_process(in_namespace("mount -t tmpfs tmpfs " + folder("run")));
    if (trial.exit_code != 0) {
      GTEST_SKIP() << "this system lets no user mount a file system of its own (unshare -Urm): "
                   << trial.error;
    }
    test::write_tiny_tokenizer(folder_.path());
    std::string text;
    for (int i = 0; i < 12; ++i)
      text += R"({"text":"the )" + std::string(1, static_cast<char>('a' + i % 4)) +
              R"( is there and the river is long"})" + "\n";
    folder_.write("text.jsonl", text);
    folder_.write("recipe.yaml",
                  "stage: text\noutput: " + path("whole") + "\ncache: " + path("cache") +
                      "\ntokenizer: " + path("tokenizer.model") +
                      "\ndata: [{path: " + path("text.jsonl") + ", kind: text}]\n" + R"(
model:
  llm: {hidden_size: 64, layers: 2, heads: 2, intermediate_size: 128, max_position: 512}
train: {steps: 6, tokens_per_batch: 480, max_length: 400, save_every: 2, validate_every: 0}
)");
  }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  /// The path of a folder that exists.
  std::string folder(const std::string& name) const {
    fs::create_directories(folder_.path() / name);
    return path(name);
  }

  /// A shell's commands where mounts are this test's own.
  static std::vector<std::string> in_namespace(const std::string& script) {
    return {"/usr/bin/env", "unshare", "-Urm", "sh", "-c", script};
  }

  std::string train_command(const std::string& output, const std::string& more) const {
    return std::string(VILA_TRAIN_BINARY) + " " + path("recipe.yaml") +
           " --threads 1 --quiet --set output=" + path(output) + " " + more;
  }

  test::ProcessResult train(const std::string& output, const std::string& more = "") const {
    return test::run_process({"/bin/sh", "-c", train_command(output, more)});
  }

  /// Trains into "run" on a file system of so many bytes; what is on it then lies in "left".
  test::ProcessResult train_on_small_disk(uintmax_t bytes) const {
    return test::run_process(in_namespace("mount -t tmpfs -o size=" + std::to_string(bytes) +
                                          " tmpfs " + folder("run") + " || exit 77; " +
                                          train_command("run", "") + "; code=$?; cp -a " +
                                          path("run") + "/. " + folder("left") + "; exit $code"));
  }

  /// Bytes of the blocks that the files of a folder take.
  static uintmax_t bytes_of(const fs::path& folder) {
    constexpr uintmax_t kBlock = 4096;
    uintmax_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) bytes += (entry.file_size() + kBlock - 1) / kBlock * kBlock;
    }
    return bytes;
  }

  test::TemporaryFolder folder_;
};

TEST_F(DiskFull, TrainingEndsWithCodeThreeAndGoesOnFromTheLastState) {
  ASSERT_EQ(train("whole").exit_code, 0);
  // What two steps leave, a state and the model, has no room for a second state.
  const test::ProcessResult probe = train("probe", "--set train.steps=2");
  ASSERT_EQ(probe.exit_code, 0) << probe.error;

  const test::ProcessResult full = train_on_small_disk(bytes_of(path("probe")));

  EXPECT_EQ(full.exit_code, 3) << full.error;
  EXPECT_NE(full.error.find("No space left on device"), std::string::npos) << full.error;
  EXPECT_TRUE(fs::exists(path("left/state/step-000000002")));
  EXPECT_FALSE(fs::exists(path("left/state/step-000000004")));
  EXPECT_FALSE(fs::exists(path("left/model.safetensors")));
  // With room again, the run ends as if nothing had happened.
  fs::remove_all(path("run"));
  fs::rename(path("left"), path("run"));
  const test::ProcessResult resumed = train("run", "--resume");
  EXPECT_EQ(resumed.exit_code, 0) << resumed.error;
  EXPECT_EQ(read_file(path("run/model.safetensors")), read_file(path("whole/model.safetensors")));
}

}  // namespace
}  // namespace vila::train
