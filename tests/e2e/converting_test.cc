// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"
#include "formats/checkpoint.h"
#include "tensor/compare.h"

namespace vila::test {
namespace {

namespace fs = std::filesystem;

class Convert : public Program {
 protected:
  ProcessResult convert(const fs::path& in, const fs::path& out) {
    return vila({"convert", in.string(), out.string()});
  }

  /// Names that stand in the folder of the outputs.
  std::vector<std::string> outputs() const {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(out_.path()))
      names.push_back(entry.path().filename().string());
    return names;
  }

  TemporaryFolder out_;
};

TEST_F(Convert, OneFileAndBackAnswersAsTheFolderDoes) {
  const fs::path one_file = out_ / "m.vila";
  const fs::path folder = out_ / "m";
  ASSERT_EQ(convert(model(), one_file).exit_code, 0);
  const ProcessResult back = convert(one_file, folder);
  ASSERT_EQ(back.exit_code, 0) << back.error;
  const auto answer = [&](const fs::path& path) {
    return json_of(vila({"run", "-m", path.string(), "--json", "--max-tokens", "8", "--image",
                         file("a.png"), "What?"}))["token_ids"];
  };
  EXPECT_EQ(answer(model()), answer(folder));
  EXPECT_EQ(answer(model()), answer(one_file)) << "runs without conversion";
}

TEST_F(Convert, AQuantisedModelStaysPackedInOneFileAndAnswersTheSameFromAnyContainer) {
  const fs::path awq =
      fs::path(VILA_SOURCE_DIR) / "../shared/conformance/awq/file/vila15-layout/llm";
  if (!fs::exists(awq)) GTEST_SKIP() << awq << " is absent";
  ASSERT_EQ(convert(awq, out_ / "m.vila").exit_code, 0);
  ASSERT_EQ(convert(awq, out_ / "m.gguf").exit_code, 0);
  ASSERT_EQ(convert(out_ / "m.vila", out_ / "floats").exit_code, 0);
  EXPECT_LT(fs::file_size(out_ / "m.vila"), fs::file_size(out_ / "m.gguf") / 3) << "4 bits, not 32";
  const auto answer = [&](const fs::path& path, const std::string& activations) {
    return json_of(vila({"run", "-m", path.string(), "--raw", "--json", "--max-tokens", "8",
                         "--activations", activations, "abc"}))["token_ids"];
  };
  EXPECT_EQ(answer(awq, "int8"), answer(out_ / "m.vila", "int8"));
  const Json exact = answer(awq, "f32");
  for (const char* name : {"m.vila", "m.gguf", "floats"})
    EXPECT_EQ(answer(out_ / name, "f32"), exact) << name;
  const Json report = json_of(vila({"inspect", (out_ / "m.vila").string(), "--tensors", "--json"}));
  EXPECT_NE(report["parts"][0]["dtypes"].dump().find("int4 g128"), std::string::npos);
}

TEST_F(Convert, PackedWeightsBecomeThoseOfLlmAwqAgain) {
  const fs::path awq =
      fs::path(VILA_SOURCE_DIR) / "../shared/conformance/awq/file/vila15-layout/llm";
  if (!fs::exists(awq)) GTEST_SKIP() << awq << " is absent";
  ASSERT_EQ(convert(awq, out_ / "m.vila").exit_code, 0);
  const ProcessResult back =
      vila({"convert", (out_ / "m.vila").string(), (out_ / "folder").string(), "--to", "awq"});
  ASSERT_EQ(back.exit_code, 0) << back.error;
  EXPECT_TRUE(fs::exists(out_ / "folder/folder-w4-g128-awq-v2.pt"));
  const auto answer = [&](const fs::path& path) {
    return json_of(vila({"run", "-m", path.string(), "--raw", "--json", "--max-tokens", "8",
                         "--activations", "f32", "abc"}))["token_ids"];
  };
  EXPECT_EQ(answer(out_ / "folder"), answer(awq));
  const ProcessResult floats =
      vila({"convert", model().string(), (out_ / "no").string(), "--to", "awq"});
  EXPECT_EQ(floats.exit_code, 4);
  EXPECT_NE(floats.error.find("vila quantize"), std::string::npos) << floats.error;
  EXPECT_FALSE(fs::exists(out_ / "no"));
}

TEST_F(Convert, AModelThatSeesBecomesTwoGgufFilesThatAnswerAlike) {
  ASSERT_EQ(convert(model(), out_ / "m.gguf").exit_code, 0);
  ASSERT_TRUE(fs::exists(out_ / "mmproj-m.gguf"));
  const auto answer = [&](const std::vector<std::string>& which) {
    std::vector<std::string> command = {"run",     "--json",      "--max-tokens", "8",
                                        "--image", file("a.png"), "What?"};
    command.insert(command.end(), which.begin(), which.end());
    return json_of(vila(command))["token_ids"];
  };
  const Json expected = answer({"-m", model().string()});
  EXPECT_EQ(answer({"-m", (out_ / "m.gguf").string()}), expected) << "found beside it";
  fs::rename(out_ / "mmproj-m.gguf", out_ / "eyes.gguf");
  EXPECT_EQ(answer({"-m", (out_ / "m.gguf").string(), "--mmproj", (out_ / "eyes.gguf").string()}),
            expected);
  const ProcessResult blind =
      vila({"run", "-m", (out_ / "m.gguf").string(), "--json", "--image", file("a.png"), "What?"});
  EXPECT_EQ(blind.exit_code, 2);
  EXPECT_NE(blind.error.find("--mmproj"), std::string::npos) << blind.error;
  const ProcessResult alone = vila({"run", "-m", (out_ / "eyes.gguf").string(), "--json", "What?"});
  EXPECT_EQ(alone.exit_code, 4);
  EXPECT_NE(alone.error.find("--mmproj"), std::string::npos) << alone.error;
}

TEST_F(Convert, SafetensorsToOneFileToGgufAndBackKeepsEveryValue) {
  ASSERT_EQ(convert(model(), out_ / "m.vila").exit_code, 0);
  ASSERT_EQ(convert(out_ / "m.vila", out_ / "m.gguf").exit_code, 0);
  ASSERT_EQ(convert(out_ / "m.gguf", out_ / "back").exit_code, 0);
  const auto flat = [](const fs::path& folder) {
    std::map<std::string, Tensor> tensors;
    for (const auto& [name, tensor] : formats::open_checkpoint(folder).tensors)
      tensors.emplace(name, tensor);
    return tensors;
  };
  const auto before = flat(model());
  const auto after = flat(out_ / "back");
  for (const auto& [name, tensor] : before) {
    if (name.find("post_layernorm") != std::string::npos) continue;  // no VILA reads it
    ASSERT_TRUE(after.contains(name)) << name;
    EXPECT_EQ(compare(after.at(name), tensor).max_abs, 0) << name;
  }
}

TEST_F(Convert, LeavesNothingThatLooksCompleteWhenItIsKilled) {
  for (const std::string name : {"m.vila", "m", "m.gguf"}) {
    // The system ends the program when it has written 8 blocks of a file.
    const std::string command = "ulimit -f 8; exec " VILA_BINARY " convert " + model().string() +
                                " " + (out_ / name).string();
    EXPECT_NE(run_process({"/bin/sh", "-c", command}).exit_code, 0);
    for (const std::string& left : outputs())
      EXPECT_NE(left.find(".tmp"), std::string::npos) << left;
    EXPECT_FALSE(fs::exists(out_ / name));
  }
}

TEST_F(Convert, WritesAFileWhoseDamageVerifyFinds) {
  const fs::path path = out_ / "m.vila";
  ASSERT_EQ(convert(model(), path).exit_code, 0);
  const ProcessResult sound = vila({"verify", path.string()});
  EXPECT_EQ(sound.exit_code, 0) << sound.out << sound.error;
  EXPECT_NE(sound.out.find("every checksum agrees"), std::string::npos) << sound.out;

  std::string content = read_file(path);
  content[content.size() - 100] ^= 1;
  write_file(path, content);
  const ProcessResult damaged = vila({"verify", path.string(), "--json"});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_FALSE(parse_json(damaged.out, "stdout")["passed"].get<bool>());
}

TEST_F(Convert, SaysWhatItCannotDo) {
  const fs::path s2 =
      fs::path(VILA_SOURCE_DIR) / "../shared/conformance/reference/vila1.5-tiny/checkpoint";
  if (fs::exists(s2)) {
    const ProcessResult sees = convert(s2, out_ / "m.gguf");
    EXPECT_EQ(sees.exit_code, 4);
    EXPECT_NE(sees.error.find("mlp2x_gelu"), std::string::npos) << sees.error;
  }
  const ProcessResult occupied = convert(model(), out_.path());
  EXPECT_EQ(occupied.exit_code, 2);
  const ProcessResult absent = convert(out_ / "absent.vila", out_ / "m");
  EXPECT_EQ(absent.exit_code, 4);
  EXPECT_TRUE(outputs().empty());
}

}  // namespace
}  // namespace vila::test
