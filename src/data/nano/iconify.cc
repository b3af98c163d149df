// SPDX-License-Identifier: Apache-2.0
#include "data/nano/iconify.h"

#include <cctype>
#include <map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "data/nano/icon_names.h"
#include "data/nano/package.h"
#include "data/nano/svg_render.h"

namespace vila::data::nano {

namespace {

constexpr char32_t kVariationSelector = 0xfe0f;

/// Letters and digits in lower case: icon names and Unicode names agree but for the rest.
std::string squeezed(std::string_view name) {
  std::string result;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) result += static_cast<char>(std::tolower(byte));
  }
  return result;
}

std::string without_selectors(std::string_view code_points) {
  std::string result(code_points);
  for (size_t at = result.find("-fe0f"); at != std::string::npos; at = result.find("-fe0f")) {
    result.erase(at, 5);
  }
  return result;
}

}  // namespace

struct IconSet::Data {
  std::string vendor;
  Json icons;
  std::map<std::string, std::string> by_code;  // code points -> icon or alias
  std::map<std::string, std::string> by_name;  // squeezed name -> icon or alias

  std::string document(const std::string& name) const {
    const Json& drawn = icons["icons"];
    std::string parent = name;
    bool is_mirrored = false;
    if (!drawn.contains(name)) {
      const Json& alias = icons["aliases"][name];
      parent = json_require<std::string>(alias, "parent", vendor);
      is_mirrored = json_get<bool>(alias, "hFlip", false, vendor);
      // Turned or nested aliases are few; they count as not drawn.
      if (alias.contains("rotate") || alias.contains("vFlip") || !drawn.contains(parent)) return "";
    }
    const Json& icon = drawn[parent];
    const auto width = json_get<double>(icon, "width", icons.value("width", 16.0), vendor);
    const auto height = json_get<double>(icon, "height", icons.value("height", 16.0), vendor);
    auto body = json_require<std::string>(icon, "body", vendor);
    if (is_mirrored) {
      body = fmt::format("<g transform=\"translate({} 0) scale(-1 1)\">{}</g>", width, body);
    }
    return wrap_svg(body, width, height);
  }
};

IconSet::IconSet(const std::filesystem::path& folder, const std::string& vendor)
    : data_(std::make_unique<Data>()) {
  const std::string package = "@iconify-json/" + vendor;
  data_->vendor = vendor;
  data_->icons = parse_json(read_npm_member(folder, package, "icons.json"), package);
  if (!data_->icons.contains("icons")) {
    fail(ErrorCode::invalid_data, "{}: icons.json has no \"icons\"", package);
  }
  if (!data_->icons.contains("aliases")) data_->icons["aliases"] = Json::object();
  const Json codes = parse_json(read_npm_member(folder, package, "chars.json"), package);
  for (const auto& [code, name] : codes.items()) {
    data_->by_code.emplace(without_selectors(code), name.get<std::string>());
  }
  for (const char* part : {"icons", "aliases"}) {
    for (const auto& [name, icon] : data_->icons[part].items()) {
      data_->by_name.emplace(squeezed(name), name);
    }
  }
}

IconSet::IconSet(IconSet&&) noexcept = default;
IconSet::~IconSet() = default;

std::string IconSet::find(const std::string& emoji, const std::string& short_name) const {
  const auto code = data_->by_code.find(code_points_of(emoji));
  if (code != data_->by_code.end()) return data_->document(code->second);
  if (data_->vendor == "fxemoji" && !fxemoji_icon(short_name).empty()) {
    const auto own = data_->by_name.find(squeezed(fxemoji_icon(short_name)));
    if (own != data_->by_name.end()) return data_->document(own->second);
  }
  const auto name = data_->by_name.find(squeezed(short_name));
  return name == data_->by_name.end() ? "" : data_->document(name->second);
}

std::string code_points_of(const std::string& emoji) {
  std::string result;
  for (const char32_t point : decode_utf8(emoji)) {
    if (point == kVariationSelector) continue;
    if (!result.empty()) result += '-';
    result += fmt::format("{:x}", static_cast<uint32_t>(point));
  }
  return result;
}

}  // namespace vila::data::nano
