// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "text/chat_template.h"

namespace vila::text {

/// Every template there is, with the texts of the reference. Lives as long as the program.
std::span<const ChatTemplate> chat_template_table();

/// The name of the row that renders as a Jinja template does; null when none is known to.
const char* jinja_template_name(std::string_view jinja);

}  // namespace vila::text
