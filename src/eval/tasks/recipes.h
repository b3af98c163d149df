// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

namespace vila::eval {

/// The shipped recipes with solved examples and those of text alone, as YAML.
std::span<const char* const> shot_recipe_texts();

}  // namespace vila::eval
