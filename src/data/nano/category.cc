// SPDX-License-Identifier: Apache-2.0
#include "data/nano/category.h"

#include <array>

#include "data/nano/concepts.h"

namespace vila::data::nano {

namespace {

struct Start {
  std::string_view first;  // name of the first emoji of a run
  std::string_view category;
};

constexpr std::array<Start, 36> kStarts = {{{"grinning face", "face"},
                                            {"see-no-evil monkey", "animal"},
                                            {"love letter", "symbol"},
                                            {"waving hand", "body part"},
                                            {"nail polish", "object"},
                                            {"selfie", "person"},
                                            {"flexed biceps", "body part"},
                                            {"baby", "person"},
                                            {"footprints", "symbol"},
                                            {"monkey face", "animal"},
                                            {"spider web", "object"},
                                            {"scorpion", "animal"},
                                            {"bouquet", "plant"},
                                            {"grapes", "food"},
                                            {"chopsticks", "object"},
                                            {"globe showing Europe-Africa", "place"},
                                            {"locomotive", "vehicle"},
                                            {"bus stop", "place"},
                                            {"wheel", "object"},
                                            {"sailboat", "vehicle"},
                                            {"seat", "object"},
                                            {"helicopter", "vehicle"},
                                            {"bellhop bell", "object"},
                                            {"new moon", "sky"},
                                            {"thermometer", "object"},
                                            {"sun", "sky"},
                                            {"closed umbrella", "object"},
                                            {"high voltage", "symbol"},
                                            {"snowflake", "sky"},
                                            {"snowman", "object"},
                                            {"comet", "sky"},
                                            {"jack-o-lantern", "object"},
                                            {"soccer ball", "sport"},
                                            {"bullseye", "object"},
                                            {"glasses", "clothing"},
                                            {"prayer beads", "object"}}};

struct Folder {
  std::string_view prefix;
  std::string_view category;
};

// Longer prefixes stand before the shorter ones that they refine.
constexpr std::array<Folder, 21> kFolders = {{{"animals", "animal"},
                                              {"clothes", "clothing"},
                                              {"food", "food"},
                                              {"hobbies", "object"},
                                              {"household", "object"},
                                              {"medical", "object"},
                                              {"military/vehicles", "vehicle"},
                                              {"military", "object"},
                                              {"naturalforces", "sky"},
                                              {"people/body_parts", "body part"},
                                              {"people/toys", "object"},
                                              {"people", "person"},
                                              {"plants", "plant"},
                                              {"space", "sky"},
                                              {"sports", "sport"},
                                              {"symbols", "symbol"},
                                              {"town/flags", "symbol"},
                                              {"town/roadsigns", "symbol"},
                                              {"town", "place"},
                                              {"vehicles", "vehicle"},
                                              {"seasonal", ""}}};

}  // namespace

const std::vector<std::string>& category_names() {
  static const std::vector<std::string> kNames = {
      "animal", "food",  "plant", "vehicle", "person", "body part", "clothing",
      "object", "place", "sport", "sky",     "symbol", "face"};
  return kNames;
}

std::string CategoryReader::next(std::string_view name, std::string_view group) {
  for (const Start& start : kStarts) {
    if (start.first == name) current_ = start.category;
  }
  if (group == "Symbols" || group == "Flags") return "symbol";
  return current_;
}

std::string stamp_category(std::string_view folder) {
  for (const Folder& row : kFolders) {
    if (folder.starts_with(row.prefix)) return std::string(row.category);
  }
  return "";
}

}  // namespace vila::data::nano
