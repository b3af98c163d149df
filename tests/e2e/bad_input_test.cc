// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"
#include "formats/safetensors.h"

namespace vila::test {
namespace {

constexpr int kWrongUse = 2;
constexpr int kTooLarge = 3;
constexpr int kBadFile = 4;

// Every failure is said in words on stderr, and nothing goes to stdout.
void expect_refused(const ProcessResult& result, int exit_code) {
  EXPECT_EQ(result.exit_code, exit_code) << result.error;
  EXPECT_NE(result.error.find("error: "), std::string::npos) << result.error;
  EXPECT_EQ(result.error.find("internal check"), std::string::npos) << result.error;
  EXPECT_EQ(result.out, "");
}

class WrongUse : public Program {};

TEST_F(WrongUse, IsRefusedWithExitCode2) {
  EXPECT_EQ(vila({}).exit_code, kWrongUse);
  EXPECT_EQ(vila({"fly"}).exit_code, kWrongUse);
  EXPECT_EQ(vila({"run", "--wings", "x"}).exit_code, kWrongUse);
  EXPECT_EQ(run({"--max-tokens", "many", "x"}).exit_code, kWrongUse);
  expect_refused(run({}), kWrongUse);
  expect_refused(run({"--temperature", "-1", "x"}), kWrongUse);
  expect_refused(run({"--device", "abacus", "x"}), kWrongUse);
  expect_refused(run({"--isa", "mmx", "x"}), kWrongUse);
  expect_refused(run({"--chat-template", "nonsense", "x"}), kWrongUse);
}

TEST_F(WrongUse, GivesBothNumbersWhenPlaceholdersAndPicturesDiffer) {
  const ProcessResult more = run({"--image", file("a.png"), "<image><image><image>"});
  const ProcessResult raw = run({"--raw", "--image", file("a.png"), "no placeholder"});

  expect_refused(more, kWrongUse);
  EXPECT_NE(more.error.find("3 <image> and 1 pictures"), std::string::npos) << more.error;
  expect_refused(raw, kWrongUse);
}

TEST_F(WrongUse, RefusesAPromptLongerThanTheContext) {
  std::string prompt;
  for (int i = 0; i < 2000; ++i)
    prompt += "cat ";

  expect_refused(run({prompt}), kWrongUse);
}

TEST_F(WrongUse, RefusesWhatDoesNotFitIntoMemoryBeforeLoading) {
  expect_refused(run({"--memory-limit", "1000", "x"}), kTooLarge);
}

TEST_F(WrongUse, SaysWhenStdoutCannotTakeTheAnswer) {
  const ProcessResult result =
      run_process({VILA_BINARY, "inspect", model().string()}, "", "/dev/full");

  EXPECT_EQ(result.exit_code, kTooLarge) << result.error;
}

class BadPicture : public Program {
 protected:
  ProcessResult ask(const std::string& name) const {
    return run({"--json", "--image", file(name), "What?"});
  }
};

TEST_F(BadPicture, IsRefusedWithExitCode4) {
  const std::string png = read_file(file("a.png"));
  std::string huge = png;
  std::memset(huge.data() + 16, 0x7f, 8);  // width and height in the header
  write_file(file("empty.png"), "");
  write_file(file("words.png"), "this is no picture");
  write_file(file("cut.png"), png.substr(0, png.size() / 2));
  write_file(file("head.png"), png.substr(0, 20));
  write_file(file("huge.png"), huge);
  write_file(file("cut.jpg"), "\xff\xd8\xff\xe0 and then nothing");
  write_file(file("cut.webp"), std::string("RIFF\x10\0\0\0WEBPVP8 ", 16));

  for (const char* name : {"empty.png", "words.png", "cut.png", "head.png", "huge.png", "cut.jpg",
                           "cut.webp", "missing.png", "."}) {
    SCOPED_TRACE(name);
    expect_refused(ask(name), kBadFile);
  }
}

TEST_F(BadPicture, IsNotOneThatIsOnlyUnusual) {
  save_picture("thin.png", media::Image(1, 20000, {9, 9, 9}));
  save_picture("flat.png", media::Image(20000, 1, {9, 9, 9}));
  save_picture("dot.png", media::Image(1, 1));

  for (const char* name : {"thin.png", "flat.png", "dot.png"}) {
    SCOPED_TRACE(name);
    EXPECT_FALSE(json_of(ask(name)).is_null());
  }
}

TEST_F(BadPicture, IsNotOneWithOtherPixelsThanRgb) {
  const std::filesystem::path pictures =
      VILA_SOURCE_DIR "/../shared/conformance/preprocess/pictures";
  if (!std::filesystem::exists(pictures)) GTEST_SKIP() << "needs shared/conformance";

  for (const char* name : {"cmyk.jpg", "rgb16.png", "rgba16.png", "gray16.png", "p.png", "p4.png",
                           "p_trns.png", "bit1.png", "la.png", "rgba.png", "lossy_alpha.webp"}) {
    SCOPED_TRACE(name);
    const ProcessResult result = run({"--json", "--image", (pictures / name).string(), "What?"});
    EXPECT_EQ(json_of(result)["usage"]["image_tokens"], 16);
  }
}

class BadModel : public Program {
 protected:
  ProcessResult ask() const { return run({"--json", "Hello"}); }

  // A safetensors file with this header and `size` bytes of data.
  void write_weights(const std::string& header, size_t size) const {
    std::string content(8, '\0');
    const uint64_t length = header.size();
    std::memcpy(content.data(), &length, 8);
    write_file(model() / "model.safetensors", content + header + std::string(size, '\0'));
  }

  void edit_config(const std::string& key, const Json& value) const {
    Json config = parse_json(read_file(model() / "config.json"), "config");
    config[key] = value;
    write_file(model() / "config.json", config.dump());
  }
};

TEST_F(BadModel, IsRefusedWhenItsHeaderLies) {
  const char* headers[] = {
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
      R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})",
      R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"Q9","shape":[2],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}})",
      R"({"a":)",
      "",
  };
  for (const char* header : headers) {
    SCOPED_TRACE(header);
    write_weights(header, 12);
    expect_refused(ask(), kBadFile);
  }
}

TEST_F(BadModel, IsRefusedWhenItsHeaderIsDeepOrCutOff) {
  write_weights(std::string(5'000'000, '[') + std::string(5'000'000, ']'), 0);
  expect_refused(ask(), kBadFile);

  write_file(model() / "model.safetensors", std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10));
  expect_refused(ask(), kBadFile);

  write_file(model() / "model.safetensors", "");
  expect_refused(ask(), kBadFile);
}

TEST_F(BadModel, IsRefusedWithTheNamesOfWhatIsMissing) {
  std::vector<formats::NamedTensor> tensors;
  {
    const auto whole = formats::read_safetensors(model() / "model.safetensors");
    for (const auto& [name, tensor] : whole.tensors) {
      if (name != "model.embed_tokens.weight") tensors.push_back({name, tensor});
    }
  }
  formats::write_safetensors(model() / "model.safetensors", tensors);

  const ProcessResult result = ask();

  expect_refused(result, kBadFile);
  EXPECT_NE(result.error.find("model.embed_tokens.weight"), std::string::npos) << result.error;
}

TEST_F(BadModel, IsRefusedWhenShapesContradictTheConfig) {
  edit_config("intermediate_size", 4096);

  const ProcessResult result = ask();

  expect_refused(result, kBadFile);
  EXPECT_NE(result.error.find("gate_proj"), std::string::npos) << result.error;
}

TEST_F(BadModel, IsRefusedWithAnUnknownProjectorOrABrokenConfig) {
  edit_config("mm_projector_type", "crystal_ball");
  const ProcessResult unknown = ask();
  expect_refused(unknown, kBadFile);
  EXPECT_NE(unknown.error.find("crystal_ball"), std::string::npos) << unknown.error;

  write_file(model() / "config.json", "{");
  expect_refused(ask(), kBadFile);
}

TEST_F(BadModel, IsRefusedWhenAFileIsMissing) {
  std::filesystem::remove(model() / "tokenizer.model");
  expect_refused(ask(), kBadFile);

  std::filesystem::remove(model() / "config.json");
  expect_refused(ask(), kBadFile);

  const ProcessResult unknown = vila({"run", "-m", "no-such-model", "Hello"});
  expect_refused(unknown, kBadFile);
  EXPECT_NE(unknown.error.find("models/no-such-model"), std::string::npos) << unknown.error;
}

}  // namespace
}  // namespace vila::test
