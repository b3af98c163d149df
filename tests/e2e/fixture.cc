// SPDX-License-Identifier: Apache-2.0
#include "e2e/fixture.h"

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "media/decode.h"
#include "support/tiny_checkpoint.h"

namespace vila::test {

void Program::SetUp() {
  write_tiny_checkpoint(model(), {.config = tiny_config()});
  save_picture("a.png", media::Image(20, 12, {200, 30, 40}));
  save_picture("b.png", media::Image(12, 20, {10, 60, 220}));
}

void Program::save_picture(const std::string& name, const media::Image& image) const {
  write_file(file(name), media::encode_png(image));
}

ProcessResult Program::vila(std::vector<std::string> arguments, const std::string& input) const {
  arguments.insert(arguments.begin(), VILA_BINARY);
  return run_process(arguments, input);
}

ProcessResult Program::run(std::vector<std::string> arguments, const std::string& input) const {
  const std::vector<std::string> front = {"run", "-m", model().string(), "--max-tokens", "6"};
  arguments.insert(arguments.begin(), front.begin(), front.end());
  return vila(arguments, input);
}

Json json_of(const ProcessResult& result) {
  EXPECT_EQ(result.exit_code, 0) << result.error;
  return result.out.empty() ? Json() : parse_json(result.out, "stdout");
}

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> rows;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    rows.push_back(parse_json(text.substr(begin, end - begin), "line"));
    begin = end + 1;
  }
  return rows;
}

}  // namespace vila::test
