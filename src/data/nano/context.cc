// SPDX-License-Identifier: Apache-2.0
#include "data/nano/context.h"

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/nano/package.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace fs = std::filesystem;

BuildContext::BuildContext(const NanoOptions& options, const LogSink& log)
    : options_(options), log_(log), pool_(std::max(1, options.threads)) {}

const std::vector<Concept>& BuildContext::concepts() {
  if (!concepts_) concepts_ = load_concepts(options_.emoji, options_.seed);
  return *concepts_;
}

bool BuildContext::names_held_out(std::string_view text) {
  return nano::names_held_out(text, concepts());
}

fs::path BuildContext::debian(std::string_view relative, const std::string& package) const {
  return require_debian(options_.debian_root / relative, package);
}

Random BuildContext::random(std::string_view key) const {
  return random_for(options_.seed, key);
}

void BuildContext::say(std::string_view message) const {
  if (log_) log_(LogLevel::info, message);
}

void BuildContext::warn(std::string_view message) const {
  if (log_) log_(LogLevel::warning, message);
}

void BuildContext::write_lines(std::string_view relative,
                               const std::vector<std::string>& lines) const {
  const fs::path target = path(relative);
  fs::create_directories(target.parent_path());
  AtomicFileWriter writer(target);
  std::string block;
  for (const std::string& line : lines) {
    block += line;
    block += '\n';
    if (block.size() < (1u << 20)) continue;
    writer.append(block);
    block.clear();
  }
  writer.append(block);
  writer.commit();
}

void BuildContext::write_picture(std::string_view relative, std::string_view png) const {
  const fs::path target = path(relative);
  fs::create_directories(target.parent_path());
  // The set's stamp vouches for its pictures, so they need no flush to disk each.
  std::ofstream file(target, std::ios::binary | std::ios::trunc);
  file.write(png.data(), static_cast<std::streamsize>(png.size()));
  file.close();
  if (!file) fail(ErrorCode::failed, "{}: cannot write the picture", target.string());
}

std::string Pair::to_line() const {
  Json row = {{"id", id}, {"image", image}, {"text", text}, {"concept", label}, {"vendor", vendor}};
  if (!group.empty()) row["group"] = group;
  if (!category.empty()) row["category"] = category;
  return row.dump();
}

std::vector<Pair> read_pairs(const fs::path& path) {
  std::vector<Pair> pairs;
  const std::string source = path.string();
  for (const std::string& line : read_lines(path)) {
    const Json row = parse_json(line, source);
    Pair pair;
    pair.id = json_require<std::string>(row, "id", source);
    pair.image = json_require<std::string>(row, "image", source);
    pair.text = json_require<std::string>(row, "text", source);
    pair.label = json_get<std::string>(row, "concept", "", source);
    pair.vendor = json_get<std::string>(row, "vendor", "", source);
    pair.group = json_get<std::string>(row, "group", "", source);
    pair.category = json_get<std::string>(row, "category", "", source);
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

std::vector<std::string> read_lines(const fs::path& path) {
  const std::string content = read_file(path);
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    if (end > begin) lines.push_back(content.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

std::string text_line(std::string_view text) {
  return Json{{"text", std::string(text)}}.dump();
}

}  // namespace vila::data::nano
