// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "formats/hub_cache.h"
#include "hub/settings.h"

namespace vila::cli {

/// The Hub's settings from this process's environment. @throws as hub::read_settings()
hub::Settings hub_settings();

/// The Hub's cache; "" where no variable says where it is.
std::filesystem::path hub_cache();

/// "org/name[@revision]" as written by a person.
/// @throws Error{invalid_argument} saying what form it must have.
formats::HubId require_hub_id(const std::string& text);

/// What `name` stands for in the Hub's cache: the folder of a pulled model, or its file where it is
/// one GGUF or .vila file. Nothing when `name` has not the form "org/name[@revision]".
/// @throws Error{not_found} naming `vila pull` when it has, but is not there.
std::optional<std::filesystem::path> pulled_model(const std::string& name);

/// 12 345 678 -> "12.3 MB".
std::string size_text(uint64_t bytes);

}  // namespace vila::cli
