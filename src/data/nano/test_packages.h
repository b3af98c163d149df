// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <fmt/format.h>

#include "data/nano/concepts.h"
#include "support/temporary_folder.h"

namespace vila::data::nano {

/// Number of concepts that write_emoji_packages() makes.
inline constexpr int kPackageConcepts = 12;

/// Small emoji packages, unpacked: `thing 0` to `thing 11`, drawn by every vendor, at code points
/// from U+1F400 on, and a country's flag.
inline void write_emoji_packages(const test::TemporaryFolder& folder) {
  std::string order = "[", names = "{", keywords = "{", icons, codes;
  for (int i = 0; i < kPackageConcepts; ++i) {
    // U+1F400 + i in UTF-8.
    const std::string emoji = std::string("\xf0\x9f\x90") + static_cast<char>(0x80 + i);
    order += fmt::format("\"{}\",", emoji);
    names += fmt::format(R"("{}":{{"name":"thing {}","group":"Animals & Nature"}},)", emoji, i);
    keywords += fmt::format(R"("{}":["thing_{}","creature"],)", emoji, i);
    icons += fmt::format(R"({}"thing-{}":{{"body":"<circle cx='8' cy='8' r='{}'/>"}})",
                         i == 0 ? "" : ",", i, 3 + i % 5);
    codes += fmt::format(R"({}"{:x}":"thing-{}")", i == 0 ? "" : ",", 0x1f400 + i, i);
  }
  order += "\"\u2691\"]";
  names += "\"\u2691\":{\"name\":\"flag: Nowhere\",\"group\":\"Flags\"}}";
  keywords += "\"\u2691\":[]}";
  folder.write("unicode-emoji-json/data-ordered-emoji.json", order);
  folder.write("unicode-emoji-json/data-by-emoji.json", names);
  folder.write("emojilib/dist/emoji-en-US.json", keywords);
  for (const Vendor& vendor : kVendors) {
    const std::string base = fmt::format("iconify-json-{}/", vendor.name);
    // noto-v1 joins by name as the real one does.
    folder.write(base + "chars.json", vendor.name == "noto-v1" ? "{}" : "{" + codes + "}");
    folder.write(base + "icons.json", "{\"icons\":{" + icons + "},\"width\":16,\"height\":16}");
  }
}

}  // namespace vila::data::nano
