// SPDX-License-Identifier: Apache-2.0
#include "support/tiny_tokenizer.h"

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sentencepiece_trainer.h>

#include "base/error.h"
#include "base/file.h"

namespace vila::test {
namespace {

std::vector<std::string> sentences() {
  std::vector<std::string> lines;
  for (const char* subject : {"The cat", "A dog", "The red car", "A small house"}) {
    for (const char* verb : {"sits on", "stands beside", "is larger than", "looks like"}) {
      for (const char* object : {"the mat.", "a green tree.", "the old bridge.", "two cats."}) {
        lines.push_back(std::string(subject) + " " + verb + " " + object);
      }
    }
  }
  lines.push_back("USER: What is this? ASSISTANT: This is a picture.");
  return lines;
}

class Lines final : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(std::vector<std::string> lines) : lines_(std::move(lines)) {}

  bool done() const override { return at_ == lines_.size(); }

  void Next() override { ++at_; }

  const std::string& value() const override { return lines_[at_]; }

  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::vector<std::string> lines_;
  size_t at_ = 0;
};

}  // namespace

void write_tiny_tokenizer(const std::filesystem::path& folder) {
  std::string model;
  Lines lines(sentences());
  const std::unordered_map<std::string, std::string> options = {
      {"model_type", "bpe"},
      {"vocab_size", "380"},
      {"byte_fallback", "true"},
      {"character_coverage", "1.0"},
      {"normalization_rule_name", "identity"},
      {"remove_extra_whitespaces", "false"},
      {"split_digits", "true"},
      {"num_threads", "1"},
      {"minloglevel", "2"}};
  const auto status = sentencepiece::SentencePieceTrainer::Train(options, &lines, &model);
  VILA_CHECK(status.ok(), "{}", status.ToString());
  write_file(folder / "tokenizer.model", model);
}

}  // namespace vila::test
