// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace vila::data::nano {

/// The drawings of one emoji set in Iconify's JSON: icons.json {"icons": {name: {"body", "width"?,
/// "height"?}}, "aliases": {name: {"parent", "hFlip"?}}, "width", "height"} and chars.json
/// {code points in hexadecimal, joined by "-": name}. Immutable.
class IconSet {
 public:
  /// @param vendor  e.g. "noto": the npm package is @iconify-json/noto.
  /// @throws Error{not_found | invalid_data}
  IconSet(const std::filesystem::path& folder, const std::string& vendor);
  IconSet(IconSet&&) noexcept;
  ~IconSet();

  /// The SVG document for an emoji, joined by its code points where the set lists them, else by its
  /// Unicode short name. Empty when the set does not draw it.
  std::string find(const std::string& emoji, const std::string& short_name) const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

/// "1f34e" or "1f43b-200d-2744": code points in hexadecimal; variation selectors are dropped.
std::string code_points_of(const std::string& emoji);

}  // namespace vila::data::nano
