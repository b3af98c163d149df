// SPDX-License-Identifier: Apache-2.0
#include "cli/model_files.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/file.h"
#include "formats/vila_file.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "vila/error.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

class ModelFiles : public testing::Test {
 protected:
  void SetUp() override { unsetenv("VILA_MODEL"); }

  fs::path make_checkpoint(const std::string& name) {
    fs::create_directories(folder_.path() / name);
    write_file(folder_.path() / name / "config.json", "{}");
    return folder_.path() / name;
  }

  fs::path root() const { return folder_.path(); }

 private:
  test::TemporaryFolder folder_;
};

TEST_F(ModelFiles, TakesAFolderAsItIs) {
  const fs::path model = make_checkpoint("mine");

  EXPECT_EQ(resolve_model(model.string(), "/nowhere/vila"), model);
}

TEST_F(ModelFiles, TakesAWeightFileForTheFolderAroundIt) {
  const fs::path model = make_checkpoint("mine");

  for (const char* file : {"model.safetensors", "pytorch_model.bin", "x-w4-g128-awq-v2.pt"})
    EXPECT_EQ(resolve_model((model / file).string(), "/nowhere/vila"), model);
}

TEST_F(ModelFiles, TakesAFileThatHoldsAWholeModel) {
  formats::write_vila(root() / "whole.vila", {});
  EXPECT_EQ(resolve_model((root() / "whole.vila").string(), "/nowhere/vila"),
            root() / "whole.vila");
}

TEST_F(ModelFiles, TakesTheWeightsOfOneOfThreeFoldersForAllOfThem) {
  const fs::path model = make_checkpoint("mine");
  const fs::path part = make_checkpoint("mine/llm");
  EXPECT_EQ(resolve_model((part / "x-w4-g128-awq-v2.pt").string(), "/nowhere/vila"), model);
}

TEST_F(ModelFiles, RefusesAnotherFile) {
  write_file(root() / "note.txt", "x");
  test::expect_error(ErrorCode::invalid_argument, "found another file",
                     [&] { resolve_model((root() / "note.txt").string(), "/nowhere/vila"); });
}

TEST_F(ModelFiles, FindsAShippedModelInTheRepositoryAroundTheBuild) {
  const fs::path model = make_checkpoint("models/nano");

  EXPECT_EQ(resolve_model("nano", root() / "build/release/bin/vila"), model);
  EXPECT_EQ(resolve_model("", root() / "build/release/bin/vila"), model);
}

TEST_F(ModelFiles, PrefersTheFileToTheFolderOfTheSameName) {
  const fs::path folder = make_checkpoint("models/nano");
  formats::write_vila(root() / "models/nano.vila", {});

  EXPECT_EQ(resolve_model("nano", root() / "build/release/bin/vila"), root() / "models/nano.vila");
  EXPECT_EQ(resolve_model(folder.string(), root() / "build/release/bin/vila"), folder);
}

TEST_F(ModelFiles, FindsAShippedModelBesideAnInstalledProgram) {
  const fs::path model = make_checkpoint("share/vila/models/nano");

  EXPECT_EQ(resolve_model("nano", root() / "bin/vila"), model);
}

TEST_F(ModelFiles, PrefersTheEnvironmentToTheShippedModel) {
  make_checkpoint("models/nano");
  const fs::path model = make_checkpoint("other");
  setenv("VILA_MODEL", model.c_str(), 1);

  EXPECT_EQ(resolve_model("", root() / "build/release/bin/vila"), model);
  unsetenv("VILA_MODEL");
}

TEST_F(ModelFiles, FindsAllThatShipAndWhatTheEnvironmentNames) {
  const fs::path first = make_checkpoint("models/a");
  const fs::path second = make_checkpoint("models/nano");
  fs::create_directories(root() / "models/no-model");
  const fs::path third = make_checkpoint("other");
  setenv("VILA_MODEL", third.c_str(), 1);
  EXPECT_EQ(found_models(root() / "build/release/bin/vila"), (std::vector{first, second, third}));
  unsetenv("VILA_MODEL");
  EXPECT_TRUE(found_models("/nowhere/bin/vila").empty());
}

TEST_F(ModelFiles, ListsEveryPlaceItTriedForAnUnknownName) {
  try {
    resolve_model("giant", root() / "build/release/bin/vila");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(error.message().find((root() / "models/giant").string()), std::string::npos);
    EXPECT_NE(error.message().find("share/vila/models/giant"), std::string::npos);
  }
}

}  // namespace
}  // namespace vila::cli
