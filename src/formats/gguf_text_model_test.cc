// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_text_model.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/gguf_tokenizer.h"
#include "formats/sentencepiece_model.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

/// Values 0, 1, 2, … (small enough to be exact in bf16).
Tensor counting(const Shape& shape, DType dtype) {
  Tensor tensor = Tensor::empty(DType::f32, shape);
  for (int64_t i = 0; i < tensor.numel(); ++i)
    tensor.data<float>()[i] = static_cast<float>(i % 256);
  return tensor.to(dtype);
}

Json config(const std::string& type) {
  return {{"model_type", type},     {"hidden_size", 8},         {"intermediate_size", 12},
          {"num_hidden_layers", 1}, {"num_attention_heads", 2}, {"num_key_value_heads", 1},
          {"head_dim", 4},          {"vocab_size", 5},          {"max_position_embeddings", 64},
          {"rms_norm_eps", 1e-6},   {"rope_theta", 500000.0}};
}

/// A language model of one layer with four-row heads.
TextModel tiny(const std::string& type) {
  TextModel model;
  model.files["config.json"] = config(type).dump();
  const std::string layer = "model.layers.0.";
  const std::map<std::string, Shape> shapes = {
      {"model.embed_tokens.weight", {5, 8}},       {"model.norm.weight", {8}},
      {layer + "input_layernorm.weight", {8}},     {layer + "post_attention_layernorm.weight", {8}},
      {layer + "self_attn.q_proj.weight", {8, 8}}, {layer + "self_attn.q_proj.bias", {8}},
      {layer + "self_attn.k_proj.weight", {4, 8}}, {layer + "self_attn.v_proj.weight", {4, 8}},
      {layer + "self_attn.o_proj.weight", {8, 8}}, {layer + "mlp.gate_proj.weight", {12, 8}},
      {layer + "mlp.up_proj.weight", {12, 8}},     {layer + "mlp.down_proj.weight", {8, 12}}};
  for (const auto& [name, shape] : shapes)
    model.tensors.emplace(name, counting(shape, DType::bf16));
  return model;
}

class GgufTextModel : public testing::Test {
 protected:
  TextModel round_trip(const TextModel& model) {
    export_gguf(path_, model);
    return import_gguf(read_gguf(path_));
  }

  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "x.gguf";
};

TEST_F(GgufTextModel, ARoundTripKeepsEveryValueNameAndTheConfig) {
  for (const std::string type : {"llama", "qwen2"}) {
    const TextModel model = tiny(type);
    const TextModel back = round_trip(model);
    EXPECT_EQ(back.tensors.size(), model.tensors.size());
    for (const auto& [name, tensor] : model.tensors) {
      ASSERT_TRUE(back.tensors.contains(name)) << name;
      const Tensor& other = back.tensors.at(name);
      EXPECT_EQ(other.dtype(), tensor.rank() == 1 ? DType::f32 : DType::bf16) << name;
      EXPECT_EQ(compare(other, tensor).max_abs, 0) << name;
    }
    const Json read = parse_json(back.files.at("config.json"), "config.json");
    const Json expected = config(type);
    for (const auto& [key, value] : expected.items())
      EXPECT_EQ(read.at(key), value) << key;
    EXPECT_EQ(read.at("tie_word_embeddings"), true);
  }
}

TEST_F(GgufTextModel, PutsRowsOfLlamasQueriesAsLlamaCppTurnsThem) {
  export_gguf(path_, tiny("llama"));
  const Tensor queries = gguf_tensor(read_gguf(path_), "blk.0.attn_q.bias");
  const auto values = queries.values<float>();
  // convert_hf_to_gguf.py: reshape(heads, 2, 2).swapaxes(1, 2) of the rows 0 … 7.
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()),
            (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7}));
  export_gguf(path_, tiny("qwen2"));
  EXPECT_EQ(gguf_tensor(read_gguf(path_), "blk.0.attn_q.bias").values<float>()[1], 1);
}

TEST_F(GgufTextModel, KeepsEachRotaryScaling) {
  const std::vector<Json> scalings = {nullptr,
                                      {{"type", "linear"}, {"factor", 2.5}},
                                      {{"rope_type", "llama3"},
                                       {"factor", 8.0},
                                       {"low_freq_factor", 1.0},
                                       {"high_freq_factor", 4.0},
                                       {"original_max_position_embeddings", 1024}}};
  for (const Json& scaling : scalings) {
    Json scaled = config("llama");
    scaled["rope_scaling"] = scaling;
    TextModel model = tiny("llama");
    model.files["config.json"] = scaled.dump();
    const TextModel back = round_trip(model);
    const Json read = parse_json(back.files.at("config.json"), "x");
    EXPECT_EQ(read.at("rope_scaling"), scaling);
    EXPECT_EQ(read_gguf(path_).tensors.contains("rope_freqs.weight"),
              scaling.contains("rope_type"));
    EXPECT_EQ(back.tensors.size(), model.tensors.size()) << "factors are no weights";
  }
}

TEST_F(GgufTextModel, RefusesRotaryPositionsThatItCannotCompute) {
  export_gguf(path_, tiny("llama"));
  const GgufFile good = read_gguf(path_);
  std::vector<GgufRow> rows;
  for (const auto& [name, stored] : good.tensors)
    rows.push_back({name, gguf_tensor(good, name)});
  const auto refuse = [&](const char* key, const GgufValue& value, const std::string& part) {
    GgufMetadata metadata = good.metadata;
    metadata[key] = value;
    const auto path = folder_ / "changed.gguf";
    write_gguf(path, metadata, rows);
    test::expect_error(ErrorCode::invalid_model, part, [&] { import_gguf(read_gguf(path)); });
  };
  refuse("llama.rope.scaling.type", std::string("yarn"), "yarn");
  refuse("llama.rope.dimension_count", int64_t{2}, "2 dimensions");
  rows.push_back({"rope_freqs.weight", counting({2}, DType::f32)});  // 0 and 1
  refuse("general.name", std::string("x"), "Llama-3.1");
}

TEST_F(GgufTextModel, ReadsTheScalingOfFilesBeforeAugust2023) {
  export_gguf(path_, tiny("llama"));
  const GgufFile file = read_gguf(path_);
  std::vector<GgufRow> rows;
  for (const auto& [name, stored] : file.tensors)
    rows.push_back({name, gguf_tensor(file, name)});
  GgufMetadata metadata = file.metadata;
  metadata["llama.rope.scale_linear"] = 4.0;
  const auto path = folder_ / "old.gguf";
  write_gguf(path, metadata, rows);
  const Json read = parse_json(import_gguf(read_gguf(path)).files.at("config.json"), "x");
  EXPECT_EQ(read.at("rope_scaling"), (Json{{"type", "linear"}, {"factor", 4.0}}));
}

TEST_F(GgufTextModel, KeepsASentencePieceTokenizer) {
  TextModel model = tiny("llama");
  const std::vector<SentencePiece> pieces = {{"<unk>", 0, PieceType::unknown},
                                             {"<s>", 0, PieceType::control},
                                             {"</s>", 0, PieceType::control},
                                             {"<0x41>", 0, PieceType::byte},
                                             {"▁a", -1.5F, PieceType::normal}};
  model.files["tokenizer.model"] = write_sentencepiece(pieces);
  model.files["tokenizer_config.json"] =
      R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "add_bos_token": true,
          "legacy": false, "chat_template": "{{ messages }}"})";
  const TextModel back = round_trip(model);
  const auto read = read_sentencepiece(back.files.at("tokenizer.model"), "x");
  ASSERT_EQ(read.size(), pieces.size());
  for (size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ(read[i].text, pieces[i].text);
    EXPECT_EQ(read[i].score, pieces[i].score);
    EXPECT_EQ(read[i].type, pieces[i].type);
  }
  const Json config = parse_json(back.files.at("tokenizer_config.json"), "x");
  EXPECT_EQ(config.at("bos_token"), "<s>");
  EXPECT_EQ(config.at("eos_token"), "</s>");
  EXPECT_EQ(config.at("chat_template"), "{{ messages }}");
  EXPECT_EQ(config.at("legacy"), false) << "a key of our own";
  EXPECT_EQ(parse_json(back.files.at("config.json"), "x").at("eos_token_id"), 2);
}

TEST_F(GgufTextModel, KeepsAByteLevelTokenizerOfEachSplit) {
  for (const std::string split : {"gpt-2", "smollm", "llama-bpe", "qwen2"}) {
    GgufFile file;
    const GgufMetadata metadata = {
        {"tokenizer.ggml.model", std::string("gpt2")},
        {"tokenizer.ggml.pre", split},
        {"tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "ab", "<|end|>"}},
        {"tokenizer.ggml.token_type", std::vector<int64_t>{1, 1, 1, 3}},
        {"tokenizer.ggml.merges", std::vector<std::string>{"a b"}}};
    write_gguf(path_, metadata, {});
    const auto files = gguf_tokenizer_files(read_gguf(path_));
    const Json tokenizer = parse_json(files.at("tokenizer.json"), "x");
    EXPECT_EQ(tokenizer.at("added_tokens").at(0).at("content"), "<|end|>");
    const GgufMetadata back = gguf_tokenizer_metadata(files, 5);
    EXPECT_EQ(back.at("tokenizer.ggml.pre"), GgufValue(split));
    EXPECT_EQ(back.at("tokenizer.ggml.merges"), metadata.at("tokenizer.ggml.merges"));
    const auto tokens = std::get<std::vector<std::string>>(back.at("tokenizer.ggml.tokens"));
    EXPECT_EQ(tokens, (std::vector<std::string>{"a", "b", "ab", "<|end|>", "[PAD4]"}));
  }
}

TEST_F(GgufTextModel, RefusesWhatGgufHasNoNameFor) {
  TextModel model = tiny("llama");
  model.tensors.emplace("model.mm_projector.0.weight", counting({2, 2}, DType::f32));
  test::expect_error(ErrorCode::invalid_model, "mm_projector", [&] { export_gguf(path_, model); });
  test::expect_error(ErrorCode::invalid_model, "phi3", [&] { export_gguf(path_, tiny("phi3")); });
  model = tiny("qwen2");
  Json scaled = config("qwen2");
  scaled["rope_scaling"] = {{"rope_type", "llama3"}};  // llama.cpp would not read the factors
  model.files["config.json"] = scaled.dump();
  test::expect_error(ErrorCode::invalid_model, "llama3", [&] { export_gguf(path_, model); });
  scaled["rope_scaling"] = {{"rope_type", "yarn"}};
  model.files["config.json"] = scaled.dump();
  test::expect_error(ErrorCode::invalid_model, "yarn", [&] { export_gguf(path_, model); });
  model.files.clear();
  test::expect_error(ErrorCode::invalid_model, "config.json", [&] { export_gguf(path_, model); });
  model = tiny("llama");
  model.files["tokenizer.json"] = R"({"model": {"vocab": {"a": 0}, "merges": []},
                                      "pre_tokenizer": {"type": "Whitespace"}})";
  test::expect_error(ErrorCode::invalid_model, "Whitespace", [&] { export_gguf(path_, model); });
  model.files["tokenizer.json"] = R"({"model": {"vocab": {"a": "x"}}})";
  test::expect_error(ErrorCode::invalid_model, "tokenizer.json",
                     [&] { export_gguf(path_, model); });
}

TEST_F(GgufTextModel, RefusesOtherArchitecturesAndBrokenTokenizers) {
  const auto refuse = [&](const GgufMetadata& metadata, const std::string& part) {
    write_gguf(path_, metadata, {});
    test::expect_error(ErrorCode::invalid_model, part, [&] { import_gguf(read_gguf(path_)); });
  };
  refuse({{"general.architecture", std::string("gemma")}}, "gemma");
  refuse({{"general.architecture", std::string("gemma")}}, "qwen2");  // what is supported
  refuse({{"general.architecture", std::string("clip")}}, "--mmproj");
  refuse({{"general.architecture", std::string("llama")}}, "attention.head_count");
  const GgufMetadata base = {{"general.architecture", std::string("llama")},
                             {"tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"}}};
  GgufMetadata kind = base;
  kind["tokenizer.ggml.model"] = std::string("bert");
  refuse(kind, "bert");
  GgufMetadata scores = base;
  scores["tokenizer.ggml.model"] = std::string("llama");
  scores["tokenizer.ggml.scores"] = std::vector<double>{1};
  refuse(scores, "2 scores, found 1");
  GgufMetadata split = base;
  split["tokenizer.ggml.model"] = std::string("gpt2");
  split["tokenizer.ggml.pre"] = std::string("tekken");
  refuse(split, "tekken");
  GgufMetadata types = base;
  types["tokenizer.ggml.model"] = std::string("gpt2");
  types["tokenizer.ggml.token_type"] = std::vector<int64_t>{1, 9};
  refuse(types, "found type 9");
}

TEST(SentencePieceModel, RefusesDamage) {
  const std::string model =
      write_sentencepiece({{"a", 1, PieceType::normal}, {"b", 2, PieceType::byte}});
  for (size_t size = 0; size < model.size(); ++size) {
    try {
      EXPECT_LE(read_sentencepiece(model.substr(0, size), "x").size(), 2U);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_model);
    }
  }
  test::expect_error(ErrorCode::invalid_model, "wire type",
                     [] { read_sentencepiece("\x0b", "x"); });
}

}  // namespace
}  // namespace vila::formats
