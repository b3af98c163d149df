// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "data/findings.h"
#include "data/sample.h"

namespace vila::data {

/// Where a rule says what it found.
using Report = std::function<void(Rule rule, std::string found)>;

/// Rules that need nothing but the row: placeholders, empty_text, empty_turn, role_order.
void check_sample(const Sample& sample, const Report& report);

/// Caption, document or text, or all turns one under the other with their roles: what tells whether
/// two rows say the same.
std::string text_of(const Sample& sample);

/// The beginning of a text for a message: one line, at most 60 bytes, whole characters.
std::string shorten(std::string_view text);

}  // namespace vila::data
