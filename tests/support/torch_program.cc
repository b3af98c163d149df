// SPDX-License-Identifier: Apache-2.0
#include "support/torch_program.h"

#include <array>

#include "support/zip_builder.h"

namespace vila::test {

using namespace std::string_literals;

std::string pickled_text(const std::string& value) {
  return "X" + std::string(1, static_cast<char>(value.size())) + "\0\0\0"s + value;
}

std::string pickled_numbers(const std::vector<int>& values) {
  std::string bytes = "(";
  for (const int value : values)
    bytes += "K"s + static_cast<char>(value);
  return bytes + "t";
}

std::string TorchTensorProgram::bytes() const {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickled_text("storage") + "ctorch\n" + type +
         "\n" + pickled_text(key) + pickled_text("cpu") + "K" + static_cast<char>(numel) + "tQK" +
         static_cast<char>(offset) + pickled_numbers(shape) + pickled_numbers(strides) +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}

std::string build_torch_file(const std::vector<std::string>& names) {
  constexpr std::array<float, 2> kValues = {0, 1};
  const std::string data(reinterpret_cast<const char*>(kValues.data()), sizeof(kValues));
  std::vector<std::pair<std::string, std::string>> members = {{"archive/data.pkl", ""}};
  std::string tree = "\x80\x02}";
  for (const std::string& name : names) {
    const std::string key = std::to_string(members.size() - 1);
    const TorchTensorProgram tensor{.key = key, .numel = 2, .shape = {2}, .strides = {1}};
    tree += pickled_text(name) + tensor.bytes() + "s";
    members.emplace_back("archive/data/" + key, data);
  }
  members.front().second = tree + ".";
  return build_zip(members);
}

}  // namespace vila::test
