// SPDX-License-Identifier: Apache-2.0
#include "data/nano/build.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/nano/generators.h"

namespace vila::data {

namespace {

struct Set {
  std::string_view name;
  void (*build)(nano::BuildContext&);
};

constexpr std::array<Set, 13> kSets = {{{"emoji", nano::build_emoji},
                                        {"text", nano::build_text},
                                        {"tokenizer", nano::build_tokenizer},
                                        {"stamps", nano::build_stamps},
                                        {"scenes", nano::build_scenes},
                                        {"easy-vqa", nano::build_easy_vqa},
                                        {"fashion", nano::build_fashion},
                                        {"flags", nano::build_flags},
                                        {"openclipart", nano::build_openclipart},
                                        {"documents", nano::build_documents},
                                        {"instructions", nano::build_instructions},
                                        {"tests", nano::build_tests},
                                        {"licences", nano::build_licences}}};

// Goes up when a generator changes what it writes, so that old sets are built again.
constexpr int64_t kFormat = 3;

std::string stamp_of(const NanoOptions& options, std::string_view set) {
  return Json{{"set", std::string(set)},
              {"format", kFormat},
              {"image_size", options.image_size},
              {"seed", options.seed}}
             .dump(1) +
         "\n";
}

bool is_complete(const std::filesystem::path& stamp, const std::string& content) {
  return std::filesystem::exists(stamp) && read_file(stamp) == content;
}

void check(const NanoOptions& options) {
  if (options.image_size < 16 || options.image_size > 1024) {
    fail(ErrorCode::invalid_argument, "data build nano: image size {} is not within 16 to 1024",
         options.image_size);
  }
  const std::vector<std::string> names = nano_set_names();
  for (const std::string& name : options.only) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    fail(ErrorCode::invalid_argument, "data build nano: unknown set '{}'; known are: {}", name,
         fmt::join(names, ", "));
  }
}

}  // namespace

std::vector<std::string> nano_set_names() {
  std::vector<std::string> names;
  for (const Set& set : kSets)
    names.emplace_back(set.name);
  return names;
}

void build_nano(const NanoOptions& options, const LogSink& log) {
  check(options);
  std::filesystem::create_directories(options.out / "sets");
  nano::BuildContext context(options, log);
  for (const Set& set : kSets) {
    const bool is_wanted =
        options.only.empty() ||
        std::find(options.only.begin(), options.only.end(), set.name) != options.only.end();
    if (!is_wanted) continue;
    const auto stamp = options.out / "sets" / fmt::format("{}.json", set.name);
    const std::string content = stamp_of(options, set.name);
    if (is_complete(stamp, content)) {
      context.say(fmt::format("{}: already there", set.name));
      continue;
    }
    with_context(fmt::format("set {}", set.name), [&] { set.build(context); });
    write_file(stamp, content);
  }
}

}  // namespace vila::data
