// SPDX-License-Identifier: Apache-2.0
#include "cli/model_files.h"

#include <algorithm>
#include <cstdlib>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "cli/hub_options.h"
#include "formats/checkpoint.h"
#include "formats/model_package.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kShippedModel = "nano";

bool is_checkpoint(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "config.json", ignored);
}

// Where a shipped model stands: beside an installed program, or in the repository around
// build/<preset>/bin.
std::vector<fs::path> shipped_places(const std::string& name, const fs::path& executable) {
  const fs::path bin = executable.parent_path();
  return {(bin / "../share/vila/models" / name).lexically_normal(),
          (bin / "../../../models" / name).lexically_normal()};
}

bool is_plain_name(const std::string& name) {
  return name.find('/') == std::string::npos;
}

}  // namespace

fs::path executable_path() {
  std::error_code failure;
  fs::path path = fs::read_symlink("/proc/self/exe", failure);
  return failure ? fs::path() : path;
}

fs::path resolve_model(const std::string& name, const fs::path& executable) {
  std::string wanted = name;
  if (wanted.empty()) {
    const char* from_environment = std::getenv("VILA_MODEL");
    wanted =
        from_environment != nullptr && *from_environment != '\0' ? from_environment : kShippedModel;
  }
  std::error_code ignored;
  const fs::path path(wanted);
  if (fs::is_directory(path, ignored)) return path;
  if (formats::is_package_file(path)) return path;
  const bool is_weights =
      path.extension() == ".safetensors" || path.extension() == ".bin" || path.extension() == ".pt";
  if (is_weights && is_checkpoint(path.parent_path())) return formats::folder_of_weights(path);
  if (fs::is_regular_file(path, ignored)) {
    fail(ErrorCode::invalid_argument,
         "model '{}': expected a folder, a .vila or .gguf file, or a .safetensors, .bin or .pt "
         "file beside its config.json, found another file",
         wanted);
  }
  std::string tried = "\n  " + path.string();
  if (is_plain_name(wanted)) {
    for (const fs::path& place : shipped_places(wanted, executable)) {
      const fs::path packed = place.string() + ".vila";
      if (formats::is_package_file(packed)) return packed;
      if (is_checkpoint(place)) return place;
      tried += "\n  " + place.string();
    }
  } else if (const auto pulled = pulled_model(wanted)) {
    return fs::is_directory(*pulled) ? *pulled : resolve_model(pulled->string(), executable);
  }
  fail(ErrorCode::not_found,
       "model '{}': expected a checkpoint folder, ORG/NAME of a pulled model, or the name of a "
       "shipped model, found neither; tried{}\nname a folder with -m, or set VILA_MODEL",
       wanted, tried);
}

std::vector<fs::path> found_models(const fs::path& executable) {
  std::vector<fs::path> models;
  std::error_code ignored;
  for (const fs::path& place : shipped_places("", executable)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(place, ignored)) {
      const bool is_model = is_checkpoint(entry.path()) || formats::is_package_file(entry.path());
      if (is_model) models.push_back(entry.path());
    }
  }
  std::ranges::sort(models);
  const char* from_environment = std::getenv("VILA_MODEL");
  if (from_environment != nullptr && fs::exists(from_environment, ignored))
    models.emplace_back(from_environment);
  return models;
}

formats::ModelSource find_model(const std::string& name, const std::string& base) {
  formats::ModelSource source(resolve_model(name));
  if (!base.empty()) source.base = resolve_model(base);
  source.hub_cache = hub_cache();
  return source;
}

fs::path resolve_model(const std::string& name) {
  return resolve_model(name, executable_path());
}

}  // namespace vila::cli
