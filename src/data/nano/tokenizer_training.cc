// SPDX-License-Identifier: Apache-2.0
#include <array>

#include <nlohmann/json.hpp>
#include <sentencepiece_trainer.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/nano/generators.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

constexpr int64_t kVocabulary = 4096;

/// How much of each source the tokenizer sees: captions and what the model will be asked weigh as
/// much as running text, though there is far less of them.
struct Source {
  std::string_view file;
  int64_t rows;
};

constexpr std::array<Source, 8> kSources = {{{"text/concepts.jsonl", 30'000},
                                             {"text/facts.jsonl", 3'000},
                                             {"text/arithmetic.jsonl", 500},
                                             {"text/wordnet.jsonl", 24'000},
                                             {"text/wordnet-rare.jsonl", 8'000},
                                             {"text/bible.jsonl", 1'500},
                                             {"text/fortunes.jsonl", 1'500},
                                             {"pairs/emoji.jsonl", 20'000}}};

/// Wordings of templates and instructions, which no other source holds.
constexpr std::array<std::string_view, 16> kWordings = {
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions.",
    "USER: What is this? ASSISTANT: A red apple.",
    "USER: What category is this? ASSISTANT: An animal.",
    "Which one shows a cat, the first or the second? The first. The second. The third.",
    "How many circles are there? There are three circles.",
    "What color is the shape? Is there a red triangle in the image? yes no",
    "Is the blue square left of the yellow star? The square is above the circle, to the right.",
    "does the image not contain a gray rectangle? teal black brown yellow green purple orange",
    "What is in each picture? The first picture shows a dog, the second picture shows a boat.",
    "Think step by step. Step 1: count the circles. Step 2: compare. So the answer is two.",
    "Describe the picture. Name the thing. What does the picture show? Can you see it?",
    "a large green triangle and a small pink star below it, to the left, to the right, above",
    "What is the opposite of hot? Cold. How do you spell apple? a-p-p-l-e.",
    "T-shirt, trousers, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot",
    "the flag of Germany, the flag of Japan, Africa, America, Europe, Asia",
    "Name three animals. A synonym of big is large. What does the word mean?"};
constexpr int kWordingRepeats = 60;

class VectorIterator : public sentencepiece::SentenceIterator {
 public:
  explicit VectorIterator(const std::vector<std::string>& lines) : lines_(lines) {}

  bool done() const override { return next_ >= lines_.size(); }

  void Next() override { ++next_; }

  const std::string& value() const override { return lines_[next_]; }

  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& lines_;
  size_t next_ = 0;
};

std::vector<std::string> training_lines(const BuildContext& context) {
  std::vector<std::string> lines;
  for (const Source& source : kSources) {
    const auto path = context.path(source.file);
    std::vector<std::string> rows = read_lines(path);
    Random random = context.random(source.file);
    shuffle(rows, random);
    if (static_cast<int64_t>(rows.size()) > source.rows) {
      rows.resize(static_cast<size_t>(source.rows));
    }
    for (const std::string& row : rows) {
      lines.push_back(
          json_require<std::string>(parse_json(row, path.string()), "text", path.string()));
    }
  }
  for (int i = 0; i < kWordingRepeats; ++i)
    lines.insert(lines.end(), kWordings.begin(), kWordings.end());
  return lines;
}

Json special(const char* content) {
  return {{"content", content}, {"lstrip", false},      {"normalized", false},
          {"rstrip", false},    {"single_word", false}, {"special", true}};
}

/// What makes Hugging Face's LlamaTokenizer read the model as VILA does (spec: legacy false).
Json tokenizer_config() {
  Json decoder = Json::object();
  const std::array<const char*, 3> names = {"<unk>", "<s>", "</s>"};
  for (size_t id = 0; id < names.size(); ++id) {
    decoder[std::to_string(id)] = special(names[id]);
  }
  return {{"add_bos_token", true},
          {"add_eos_token", false},
          {"added_tokens_decoder", decoder},
          {"bos_token", "<s>"},
          {"clean_up_tokenization_spaces", false},
          {"eos_token", "</s>"},
          {"legacy", false},
          {"model_max_length", 2048},
          {"pad_token", "<unk>"},
          {"padding_side", "right"},
          {"sp_model_kwargs", Json::object()},
          {"tokenizer_class", "LlamaTokenizer"},
          {"unk_token", "<unk>"}};
}

Json special_tokens_map() {
  Json map;
  for (const auto& [key, content] :
       {std::pair{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}}) {
    map[key] = special(content);
    map[key].erase("special");
  }
  map["pad_token"] = "<unk>";
  return map;
}

}  // namespace

void build_tokenizer(BuildContext& context) {
  const std::vector<std::string> lines = training_lines(context);
  VectorIterator iterator(lines);
  std::string model;
  const auto status =
      sentencepiece::SentencePieceTrainer::Train({{"model_type", "bpe"},
                                                  {"vocab_size", std::to_string(kVocabulary)},
                                                  {"byte_fallback", "true"},
                                                  {"character_coverage", "0.9999"},
                                                  {"split_digits", "true"},
                                                  {"allow_whitespace_only_pieces", "true"},
                                                  {"normalization_rule_name", "identity"},
                                                  {"add_dummy_prefix", "true"},
                                                  {"remove_extra_whitespaces", "false"},
                                                  {"num_threads", "1"},
                                                  {"unk_id", "0"},
                                                  {"bos_id", "1"},
                                                  {"eos_id", "2"},
                                                  {"pad_id", "-1"},
                                                  {"minloglevel", "2"}},
                                                 &iterator, &model);
  if (!status.ok()) {
    fail(ErrorCode::failed, "tokenizer: SentencePiece cannot train on {} lines: {}", lines.size(),
         status.ToString());
  }
  std::filesystem::create_directories(context.path("tokenizer"));
  write_file(context.path("tokenizer/tokenizer.model"), model);
  write_file(context.path("tokenizer/tokenizer_config.json"), tokenizer_config().dump(2) + "\n");
  write_file(context.path("tokenizer/special_tokens_map.json"),
             special_tokens_map().dump(2) + "\n");
  context.say(fmt::format("tokenizer: {} pieces from {} lines", kVocabulary, lines.size()));
}

}  // namespace vila::data::nano
