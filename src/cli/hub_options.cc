// SPDX-License-Identifier: Apache-2.0
#include "cli/hub_options.h"

#include <array>
#include <cstdlib>

#include "base/error.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

/// The one file of a snapshot that is a whole model by itself; the snapshot where there is none.
fs::path model_inside(const fs::path& snapshot) {
  if (fs::exists(snapshot / "config.json") || fs::exists(snapshot / "adapter_config.json"))
    return snapshot;
  fs::path found;
  for (const fs::directory_entry& entry : fs::directory_iterator(snapshot)) {
    const fs::path& path = entry.path();
    const bool is_model = path.extension() == ".vila" ||
                          (path.extension() == ".gguf" &&
                           path.filename().string().find("mmproj") == std::string::npos);
    if (!is_model) continue;
    if (!found.empty()) return snapshot;
    found = path;
  }
  return found.empty() ? snapshot : found;
}

}  // namespace

hub::Settings hub_settings() {
  return hub::read_settings([](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  });
}

fs::path hub_cache() {
  try {
    return hub_settings().cache;
  } catch (const Error&) {
    return {};  // a model in a folder needs no cache
  }
}

formats::HubId require_hub_id(const std::string& text) {
  if (const auto id = formats::parse_hub_id(text)) return *id;
  fail(
      ErrorCode::invalid_argument,
      "expected ORG/NAME or ORG/NAME@REVISION, e.g. Efficient-Large-Model/VILA1.5-3b, found \"{}\"",
      text);
}

std::optional<fs::path> pulled_model(const std::string& name) {
  const auto id = formats::parse_hub_id(name);
  if (!id) return std::nullopt;
  const formats::HubCache cache(hub_settings().cache);
  if (const auto snapshot = cache.snapshot(*id)) return model_inside(*snapshot);
  std::string there;
  for (const std::string& revision : cache.revisions(*id))
    there += (there.empty() ? "; of it, only these are there: " : ", ") + revision;
  fail(ErrorCode::not_found,
       "model '{}': expected a folder of that name, or this model in the cache {}, found "
       "neither{}\nfetch it: vila pull {}",
       name, cache.root().string(), there, name);
}

std::string size_text(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < kUnits.size(); ++unit)
    value /= 1000;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace vila::cli
