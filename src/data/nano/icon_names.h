// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace vila::data::nano {

/// The FxEmoji icon that shows the concept with this Unicode short name, where the icon is named
/// after the character's old Unicode name or in the set's own words ("racecar" for "racing car");
/// "" where the names agree but for spaces, and where the set has none.
std::string_view fxemoji_icon(std::string_view short_name);

}  // namespace vila::data::nano
