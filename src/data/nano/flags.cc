// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "data/nano/generators.h"
#include "data/nano/pair_tasks.h"

namespace vila::data::nano {

namespace {

constexpr int kVariants = 3;

/// "Bolivia" from "Bolivia, Plurinational State of".
std::string short_name(const Json& country, const std::string& source) {
  auto name = json_get<std::string>(country, "common_name", "", source);
  if (name.empty()) name = json_require<std::string>(country, "name", source);
  return name.substr(0, name.find_first_of(",("));
}

}  // namespace

void build_flags(BuildContext& context) {
  const auto folder = context.debian("share/iso-flags-png-320x240", "iso-flags-png-320x240");
  const auto names = context.debian("share/iso-codes/json/iso_3166-1.json", "iso-codes");
  const std::string source = names.string();
  const Json table = parse_json(read_file(names), source);
  std::vector<PairTask> tasks;
  for (const Json& country : table.at("3166-1")) {
    auto code = json_require<std::string>(country, "alpha_2", source);
    std::transform(code.begin(), code.end(), code.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto picture = folder / (code + ".png");
    if (!std::filesystem::exists(picture)) continue;
    PairTask task;
    task.key = code;
    task.pair.label = "flag of " + short_name(country, source);
    task.pair.vendor = "iso-flags";
    task.pair.category = "symbol";
    task.captions = {task.pair.label, "the " + task.pair.label};
    task.open = [picture] { return Drawing::from_png(picture); };
    task.variants = kVariants;
    task.may_mirror = false;
    tasks.push_back(std::move(task));
  }
  write_pairs(context, "flags", tasks);
}

}  // namespace vila::data::nano
