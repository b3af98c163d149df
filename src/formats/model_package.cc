// SPDX-License-Identifier: Apache-2.0
#include "formats/model_package.h"

#include <cmath>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/adapter.h"
#include "formats/checkpoint.h"
#include "formats/gguf_text_model.h"
#include "formats/mmproj.h"
#include "formats/safetensors.h"
#include "formats/vila_file.h"
#include "formats/weights.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kMaxSmallFile = uintmax_t{256} << 20;
constexpr const char* kTowerKey = "mm_vision_tower";
constexpr const char* kTowerPart = "vision_tower";

bool is_weight_file(const fs::path& path) {
  for (const char* extension : {".safetensors", ".bin", ".pt", ".pth", ".gguf", ".vila"}) {
    if (path.extension() == extension) return true;
  }
  return path.filename().string().ends_with(".index.json");
}

bool has_weights(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && is_weight_file(entry.path())) return true;
  }
  return false;
}

/// Adds the weights and small files of one folder as the part `name`.
void add_part(ModelPackage& package, const fs::path& folder, const std::string& name) {
  if (has_weights(folder)) {
    Weights weights = read_weights(folder);
    package.parts[name] = std::move(weights.tensors);
    if (!weights.quantised.empty()) package.quantised[name] = std::move(weights.quantised);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!entry.is_regular_file() || is_weight_file(entry.path())) continue;
    if (entry.file_size() > kMaxSmallFile) continue;
    const std::string file = entry.path().filename().string();
    package.files[name.empty() ? file : name + "/" + file] = read_file(entry.path());
  }
}

Json config_of(const ModelPackage& package, const std::string& name) {
  const auto found = package.files.find(name);
  if (found == package.files.end()) return Json();
  return parse_json(found->second, name);
}

/// Makes config.json name the package's own tower.
void name_tower(ModelPackage& package) {
  Json config = config_of(package, "config.json");
  if (!config.is_object() || !config.contains(kTowerKey)) return;
  config[kTowerKey] = kTowerPart;
  package.files["config.json"] = config.dump(2) + "\n";
}

/// A tower that stands elsewhere comes along, and the config then names its new place.
void add_distant_tower(ModelPackage& package, const ModelSource& source, const fs::path& folder) {
  const Json config = config_of(package, "config.json");
  if (!config.is_object() || !config.contains(kTowerKey) || !config[kTowerKey].is_string()) return;
  const auto tower = find_named_model(source, folder, config[kTowerKey].get<std::string>());
  if (!tower) return;
  const fs::path inside = tower->lexically_relative(folder.lexically_normal());
  const bool is_child = !inside.empty() && *inside.begin() != ".." && !inside.has_parent_path();
  if (is_child) return;
  add_part(package, *tower, kTowerPart);
  name_tower(package);
}

/// Weights that AWQ packed are told by their form now; a config that says how they stood in their
/// old container would mislead.
void drop_quantization(ModelPackage& package) {
  for (auto& [name, content] : package.files) {
    if (fs::path(name).filename() != "config.json") continue;
    Json config = parse_json(content, name);
    const auto found = config.is_object() ? config.find("quantization_config") : config.end();
    if (!config.is_object() || found == config.end() || !found->is_object()) continue;
    const auto method = found->find("quant_method");
    if (method != found->end() && *method != "awq") continue;
    config.erase("quantization_config");
    content = config.dump(2) + "\n";
  }
}

ModelPackage open_whole_folder(const ModelSource& source, const fs::path& folder) {
  ModelPackage package;
  add_part(package, folder, "");
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool is_part =
        entry.is_directory() && !name.starts_with(".") && fs::exists(entry.path() / "config.json");
    if (is_part) add_part(package, entry.path(), name);
  }
  add_distant_tower(package, source, folder);
  drop_quantization(package);
  if (package.parts.empty()) {
    fail(ErrorCode::not_found, "{}: expected weights in the folder, found none", folder.string());
  }
  return package;
}

/// All float tensors by their flat names.
TensorMap flat_tensors(const ModelPackage& package) {
  TensorMap tensors;
  for (const auto& [part, content] : package.parts) {
    for (const auto& [name, tensor] : content)
      tensors.emplace(flat_name(part, name), tensor);
  }
  return tensors;
}

QuantisedMap flat_quantised(const ModelPackage& package) {
  QuantisedMap matrices;
  for (const auto& [part, content] : package.quantised) {
    for (const auto& [name, matrix] : content)
      matrices.emplace(flat_name(part, name), matrix);
  }
  return matrices;
}

/// Removes the matrices of codes that `tensors` has as floats; those take their places.
void drop_replaced(const TensorMap& tensors, ModelPackage& package) {
  for (auto& [part, content] : package.quantised) {
    for (auto it = content.begin(); it != content.end();) {
      const auto found = tensors.find(flat_name(part, it->first));
      if (found == tensors.end()) {
        ++it;
      } else {
        package.parts[part].insert_or_assign(it->first, found->second);
        it = content.erase(it);
      }
    }
  }
}

/// Puts tensors back where they stood; those that no part had go to the folder itself.
void put_back(const TensorMap& tensors, ModelPackage& package) {
  std::map<std::string, Tensor*, std::less<>> places;
  for (auto& [part, content] : package.parts) {
    for (auto& [name, tensor] : content)
      places.emplace(flat_name(part, name), &tensor);
  }
  for (const auto& [name, tensor] : tensors) {
    const auto found = places.find(name);
    if (found != places.end()) {
      *found->second = tensor;
    } else {
      package.parts[""].insert_or_assign(name, tensor);
    }
  }
}

/// Small files of an adapter's own: its config where the base is flat, its tokenizer, …
void overlay_files(ModelPackage& package, const fs::path& folder) {
  const bool is_flat = !package.files.contains("llm/config.json");
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool is_config = name == "config.json" || name == "generation_config.json";
    const bool is_wanted = name != "adapter_config.json" && (is_flat || !is_config);
    if (!is_wanted || !entry.is_regular_file() || is_weight_file(entry.path())) continue;
    if (entry.file_size() <= kMaxSmallFile) package.files[name] = read_file(entry.path());
  }
}

ModelPackage open_merged_folder(const ModelSource& source, const fs::path& folder,
                                FolderKind kind) {
  ModelPackage package = open_package(base_of(source, kind));
  TensorMap tensors = flat_tensors(package);
  QuantisedMap quantised = flat_quantised(package);
  ChangeMap none;
  apply_adapter(folder, kind, AdapterPlace::merged, {tensors, quantised, none});
  drop_replaced(tensors, package);
  put_back(tensors, package);
  overlay_files(package, folder);
  if (package.files.contains(std::string(kTowerPart) + "/config.json")) {
    name_tower(package);
  } else {
    add_distant_tower(package, source, folder);
  }
  return package;
}

ModelPackage open_folder(const ModelSource& source) {
  if (!source.mmproj.empty()) {
    fail(ErrorCode::invalid_argument,
         "{}: expected a GGUF text model beside the mmproj {}, found a folder",
         source.folder.string(), source.mmproj.string());
  }
  const fs::path folder = checkpoint_root(source.folder);
  const FolderKind kind = folder_kind(folder);
  if (kind != FolderKind::whole) return open_merged_folder(source, folder, kind);
  ModelPackage package = open_whole_folder(source, folder);
  if (source.base.empty()) return package;
  const ModelPackage base = open_package(base_of(source, kind));
  TensorMap tensors = flat_tensors(package);
  add_base(tensors, flat_tensors(base), folder.string());
  put_back(tensors, package);
  return package;
}

ModelPackage open_gguf(const ModelSource& source) {
  const GgufFile file = read_gguf(source.folder);
  TextModel model = import_gguf(file);
  ModelPackage package;
  package.parts[""] = std::move(model.tensors);
  if (!model.quantised.empty()) package.quantised[""] = std::move(model.quantised);
  package.files = std::move(model.files);
  const auto mmproj = source.mmproj.empty() ? find_mmproj(file) : source.mmproj;
  if (mmproj) attach_mmproj(read_gguf(*mmproj), package);
  return package;
}

/// A finite number must stay one.
void check_range(const Tensor& before, const Tensor& after, const std::string& name) {
  if (after.dtype() != DType::f16 || before.dtype() == DType::f16) return;
  const auto numbers = before.to(DType::f32);
  for (int64_t i = 0; i < after.numel(); ++i) {
    const float number = numbers.data<float>()[i];
    if (std::isfinite(number) && !std::isfinite(to_f32(after.data<f16>()[i]))) {
      fail(ErrorCode::invalid_model,
           "\"{}\": expected numbers up to 65504 for f16, found {}; use bf16 or f32", name, number);
    }
  }
}

/// The folder must be on disk before it gets its name.
void flush_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

void write_content(const fs::path& folder, const ModelPackage& package) {
  write_small_files(folder, package.files);
  for (const auto& [part, tensors] : package.parts) {
    const fs::path path = path_inside(folder, part);
    fs::create_directories(path);
    std::vector<NamedTensor> rows;
    for (const auto& [name, tensor] : tensors)
      rows.push_back({name, tensor});
    write_safetensors(path / "model.safetensors", rows, {{"format", "pt"}});
    flush_folder(path);
  }
}

}  // namespace

ModelPackage open_package(const ModelSource& source) {
  const fs::path& path = source.folder;
  if (fs::is_directory(path)) return open_folder(source);
  const MappedFile file(path);
  if (looks_like_gguf(file.bytes())) return open_gguf(source);
  if (!source.mmproj.empty()) {
    fail(ErrorCode::invalid_argument,
         "{}: expected a GGUF text model beside the mmproj {}, found another file", path.string(),
         source.mmproj.string());
  }
  if (looks_like_vila(file.bytes())) return read_vila(path);
  ModelPackage package;
  package.parts[""] = read_weight_file(path);
  return package;
}

bool is_package_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;
  const MappedFile file(path);
  return looks_like_gguf(file.bytes()) || looks_like_vila(file.bytes());
}

void dequantise_package(ModelPackage& package) {
  for (auto& [part, matrices] : package.quantised)
    dequantise_all(matrices, package.parts[part]);
  package.quantised.clear();
}

void convert_package(ModelPackage& package, DType dtype) {
  for (auto& [part, tensors] : package.parts) {
    for (auto& [name, tensor] : tensors) {
      if (!is_weight_dtype(tensor.dtype()) || tensor.dtype() == dtype) continue;
      const Tensor converted = tensor.to(dtype);
      check_range(tensor, converted, name);
      tensor = converted;
    }
  }
}

void write_folder(const fs::path& folder, const ModelPackage& package) {
  if (fs::exists(folder)) {
    fail(ErrorCode::invalid_argument,
         "{}: expected nothing there, found a {}; remove it or choose "
         "another name",
         folder.string(), fs::is_directory(folder) ? "folder" : "file");
  }
  fs::path temporary = folder.has_filename() ? folder : folder.parent_path();
  const fs::path target = temporary;
  temporary += fmt::format(".tmp{}", ::getpid());
  try {
    fs::create_directories(temporary);
    write_content(temporary, package);
    flush_folder(temporary);
    fs::rename(temporary, target);
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    fail(ErrorCode::failed, "{}: could not write: {}", target.string(), error.code().message());
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

void write_gguf_package(const GgufTarget& target, const ModelPackage& package) {
  TextModel model{.tensors = {}, .files = {}};
  const std::string part = package.files.contains("llm/config.json") ? "llm" : "";
  for (const auto& [name, content] : package.files) {
    const fs::path file(name);
    if (file.parent_path() == part) model.files[file.filename().string()] = content;
  }
  const auto text = package.parts.find(part);
  if (text != package.parts.end()) model.tensors = text->second;
  std::erase_if(model.tensors, [](const auto& item) { return is_seeing_tensor(item.first); });
  if (sees(package)) {
    export_mmproj(target.mmproj.empty() ? default_mmproj(target.text) : target.mmproj, package);
  }
  export_gguf(target.text, model, target.blocks);
}

}  // namespace vila::formats
