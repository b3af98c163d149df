// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/nano/generators.h"
#include "data/nano/package.h"

namespace vila::data::nano {

namespace {

/// A source that is no emoji set.
struct Source {
  std::string_view package;
  std::string_view from;
  std::string_view licence;
  std::string_view what;
  std::string_view vendor;  // of its pairs; "" for text
};

constexpr std::array<Source, 13> kSources = {{
    {"unicode-emoji-json", "npm", "MIT", "names and groups of emoji", ""},
    {"emojilib", "npm", "MIT", "keywords of emoji", ""},
    {"easy-vqa", "PyPI", "MIT", "pictures, questions and answers", "easy-vqa"},
    {"tuxpaint-stamps-default", "Debian", "GPL-2+", "photographs, drawings and captions",
     "tuxpaint-stamps"},
    {"openclipart-svg", "Debian", "public domain", "drawings and titles", "openclipart"},
    {"iso-flags-png-320x240", "Debian", "public domain", "flags", "iso-flags"},
    {"iso-codes", "Debian", "LGPL-2.1+", "names of countries", ""},
    {"dataset-fashion-mnist", "Debian", "MIT (Expat)", "pictures of clothes", "fashion-mnist"},
    {"wordnet-base", "Debian", "WordNet licence (permissive)", "meanings of words", ""},
    {"bible-kjv-text", "Debian", "public domain", "the King James Bible", ""},
    {"fortunes", "Debian", "BSD", "short texts", ""},
    {"scenes", "drawn by this program", "Apache-2.0", "shapes with exact captions", "scenes"},
    {"made-up words, sums and facts", "written by this program", "Apache-2.0",
     "documents, instructions", ""},
}};

std::string npm_version(const BuildContext& context, const std::string& package) {
  const Json json =
      parse_json(read_npm_member(context.options().emoji, package, "package.json"), package);
  return json_get<std::string>(json, "version", "", package);
}

/// Version of an installed Debian package by its status in dpkg's database; "" when unknown.
std::string debian_version(const BuildContext& context, std::string_view package) {
  const auto status = context.options().debian_root / "../var/lib/dpkg/status";
  if (!std::filesystem::exists(status)) return "";
  const std::string wanted = fmt::format("Package: {}", package);
  bool is_inside = false;
  for (const std::string& line : read_lines(status)) {
    if (line.starts_with("Package: ")) is_inside = line == wanted;
    if (is_inside && line.starts_with("Version: ")) return line.substr(9);
  }
  return "";
}

std::map<std::string, int64_t> count_pictures(const BuildContext& context) {
  std::map<std::string, int64_t> counts;
  for (const auto& file : files_below(context.path("pairs"), ".jsonl")) {
    for (const Pair& pair : read_pairs(file))
      ++counts[pair.vendor];
  }
  return counts;
}

std::string row(std::string_view package, std::string_view version, std::string_view licence,
                std::string_view what, int64_t pictures) {
  return fmt::format("| {} | {} | {} | {} | {} |", package, version, licence, what,
                     pictures > 0 ? std::to_string(pictures) : "");
}

}  // namespace

void build_licences(BuildContext& context) {
  const auto counts = count_pictures(context);
  const auto count_of = [&](std::string_view vendor) {
    const auto found = counts.find(std::string(vendor));
    return found == counts.end() ? int64_t{0} : found->second;
  };
  std::vector<std::string> lines = {
      "# Sources of the nano data",
      "",
      "Written by `vila data build nano`. Pictures: those of pairs/, all variants counted.",
      "",
      "| package | version | licence | what | pictures |",
      "|---|---|---|---|---|"};
  for (const Vendor& vendor : kVendors) {
    const std::string package = fmt::format("@iconify-json/{}", vendor.name);
    lines.push_back(row(package + " (npm)", npm_version(context, package), vendor.licence,
                        vendor.is_test_only ? "drawings, test only" : "drawings",
                        count_of(vendor.name)));
  }
  for (const Source& source : kSources) {
    std::string version;
    if (source.from == "npm") version = npm_version(context, std::string(source.package));
    if (source.from == "Debian") version = debian_version(context, source.package);
    lines.push_back(row(fmt::format("{} ({})", source.package, source.from), version,
                        source.licence, source.what, count_of(source.vendor)));
  }
  context.write_lines("LICENSES.md", lines);
}

}  // namespace vila::data::nano
