// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace vila::data::nano {

/// Finds the category of emoji read in Unicode's order: its list runs by subgroups, whose first
/// members are known, and the published names give only the group. One list per reader.
class CategoryReader {
 public:
  std::string next(std::string_view name, std::string_view group);

 private:
  std::string current_;
};

/// The category of a tuxpaint stamp by its folder below stamps/ ("animals/birds", "town/houses");
/// "" for folders that mix kinds.
std::string stamp_category(std::string_view folder);

}  // namespace vila::data::nano
