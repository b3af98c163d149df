// SPDX-License-Identifier: Apache-2.0
#include "cli/feature_cache.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

#include <fmt/ranges.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "data/fingerprint.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

// A file: the magic, how many tensors, for each its shape [t, D] and its values, a checksum of all
// that. Numbers are of this machine: the folder is a cache, not an exchange format.
constexpr std::string_view kMagic = "VILAROW1";
constexpr std::string_view kExtension = ".rows";
constexpr size_t kMostTensors = 4096;

std::string hex(const data::Fingerprint& fingerprint) {
  return fmt::format("{:016x}{:016x}", fingerprint.words[0], fingerprint.words[1]);
}

std::string_view view(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view view(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.raw()), tensor.nbytes()};
}

void append_number(std::string& text, int64_t number) {
  std::array<char, sizeof(number)> bytes{};
  std::memcpy(bytes.data(), &number, sizeof(number));
  text.append(bytes.data(), bytes.size());
}

std::string pack(std::span<const Tensor> rows) {
  std::string packed(kMagic);
  append_number(packed, std::ssize(rows));
  for (const Tensor& tensor : rows) {
    append_number(packed, tensor.dim(0));
    append_number(packed, tensor.dim(1));
    packed += view(tensor);
  }
  return packed + hex(data::fingerprint(packed));
}

// Reads what pack() wrote, whose checksum is right.
class Unpacker {
 public:
  explicit Unpacker(std::string_view text) : text_(text) {}

  std::optional<int64_t> number() {
    int64_t value = 0;
    if (text_.size() < sizeof(value)) return std::nullopt;
    std::memcpy(&value, text_.data(), sizeof(value));
    text_.remove_prefix(sizeof(value));
    return value;
  }

  std::optional<Tensor> tensor() {
    const auto rows = number();
    const auto columns = number();
    if (!rows || !columns || *rows < 0 || *columns <= 0) return std::nullopt;
    const auto floats = static_cast<int64_t>(text_.size() / sizeof(float));
    if (*rows > floats / *columns) return std::nullopt;
    Tensor tensor = Tensor::empty(DType::f32, {*rows, *columns});
    std::memcpy(tensor.raw(), text_.data(), tensor.nbytes());
    text_.remove_prefix(tensor.nbytes());
    return tensor;
  }

  bool is_done() const { return text_.empty(); }

 private:
  std::string_view text_;
};

std::optional<std::vector<Tensor>> unpack(std::string_view packed) {
  constexpr size_t kChecksum = 32;
  if (packed.size() < kMagic.size() + kChecksum || !packed.starts_with(kMagic)) return std::nullopt;
  const std::string_view body = packed.substr(0, packed.size() - kChecksum);
  if (packed.substr(body.size()) != hex(data::fingerprint(body))) return std::nullopt;
  Unpacker unpacker(body.substr(kMagic.size()));
  const auto count = unpacker.number();
  if (!count || *count < 0 || static_cast<size_t>(*count) > kMostTensors) return std::nullopt;
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < *count; ++i) {
    auto tensor = unpacker.tensor();
    if (!tensor) return std::nullopt;
    rows.push_back(*std::move(tensor));
  }
  if (!unpacker.is_done()) return std::nullopt;
  return rows;
}

bool is_of_tower(std::string_view name) {
  return name.find("vision_tower") != std::string_view::npos ||
         name.find("mm_projector") != std::string_view::npos;
}

std::string config_text(const spec::VilaConfig& config) {
  const spec::VisionConfig& vision = *config.vision;
  const media::ProcessorConfig& processor = config.image_processor;
  std::string text =
      fmt::format("{} {} {} {} {} {} {} {}\n", static_cast<int>(vision.tower), vision.image_size,
                  vision.patch_size, vision.num_attention_heads, vision.layer_norm_eps,
                  static_cast<int>(vision.hidden_act), vision.has_qk_norm, vision.has_qkv_bias);
  text += fmt::format("{} {} {}\n{} {}\n", config.mm_projector_type, config.mm_vision_select_layer,
                      config.mm_vision_select_feature, fmt::join(processor.mean, " "),
                      fmt::join(processor.std, " "));
  if (config.s2) {
    text += fmt::format("{} {} {} {}\n", fmt::join(config.s2->sides, " "), config.s2->tile,
                        config.s2->output, config.s2->is_dynamic);
  }
  return text;
}

}  // namespace

FeatureCache::FeatureCache(fs::path folder, std::string tower, int64_t max_bytes)
    : folder_(std::move(folder)), tower_(std::move(tower)), max_bytes_(max_bytes) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (!fs::is_directory(folder_)) {
    fail(ErrorCode::failed, "{}: expected a folder for the features of pictures, found: {}",
         folder_.string(), error.message());
  }
  scan();
  shrink();
}

void FeatureCache::scan() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (entry.path().extension() != kExtension) continue;
    const auto size = entry.file_size(error);
    if (error) continue;  // another process has removed it
    File file{static_cast<int64_t>(size), entry.last_write_time(error)};
    bytes_ += file.bytes;
    files_[entry.path().filename().string()] = file;
  }
}

std::string FeatureCache::key(const media::TiledPicture& picture) {
  std::string text = fmt::format("{}\n{} {}\n", tower_, picture.block.rows, picture.block.columns);
  for (const media::Image& tile : picture.tiles) {
    const std::string_view pixels(reinterpret_cast<const char*>(tile.pixels.data()),
                                  tile.pixels.size());
    text += fmt::format("{} {} {}\n", tile.width, tile.height, hex(data::fingerprint(pixels)));
  }
  return hex(data::fingerprint(text));
}

std::optional<std::vector<Tensor>> FeatureCache::load(const std::string& key) {
  const std::string name = key + std::string(kExtension);
  const fs::path path = folder_ / name;
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  try {
    const MappedFile file(path);
    auto rows = unpack(view(file.bytes()));
    if (rows) {
      const auto now = fs::file_time_type::clock::now();
      fs::last_write_time(path, now, error);
      if (const auto found = files_.find(name); found != files_.end()) found->second.used = now;
      return rows;
    }
  } catch (const Error&) {
    return std::nullopt;  // removed by another process between the two calls
  }
  forget(name);
  return std::nullopt;
}

void FeatureCache::save(const std::string& key, std::span<const Tensor> rows) {
  if (!is_writable_) return;
  const std::string packed = pack(rows);
  if (static_cast<int64_t>(packed.size()) > max_bytes_) return;
  const std::string name = key + std::string(kExtension);
  const fs::path temporary = folder_ / fmt::format("{}.{}", name, ::getpid());
  std::ofstream file(temporary, std::ios::binary);
  file.write(packed.data(), std::ssize(packed));
  file.close();
  std::error_code error;
  if (file) fs::rename(temporary, folder_ / name, error);
  if (!file || error) {
    fs::remove(temporary, error);
    is_writable_ = false;  // a full disk: what comes is computed, as without a cache
    return;
  }
  File& known = files_[name];
  bytes_ += static_cast<int64_t>(packed.size()) - known.bytes;
  known = {static_cast<int64_t>(packed.size()), fs::file_time_type::clock::now()};
  shrink();
}

void FeatureCache::forget(const std::string& name) {
  std::error_code error;
  fs::remove(folder_ / name, error);
  const auto found = files_.find(name);
  if (found == files_.end()) return;
  bytes_ -= found->second.bytes;
  files_.erase(found);
}

void FeatureCache::shrink() {
  while (bytes_ > max_bytes_ && !files_.empty()) {
    const auto oldest = std::min_element(
        files_.begin(), files_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
    forget(std::string(oldest->first));
  }
}

std::string tower_fingerprint(const formats::Checkpoint& checkpoint, engine::Engine& engine,
                              const ModelOptions& options) {
  if (!engine.config().has_vision()) return "";
  for (const auto& [name, matrix] : checkpoint.quantised) {
    if (is_of_tower(name)) return "";
  }
  // NVILA puts a row of the token table behind each picture.
  const bool has_end = engine.config().generation == spec::Generation::nvila;
  const std::string table = "model.embed_tokens.weight";
  if (has_end && !checkpoint.tensors.contains(table)) return "";
  std::string text = config_text(engine.config()) +
                     fmt::format("{} {}\n", options.vision, engine.context().kernels.isa);
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!is_of_tower(name) && !(has_end && name == table)) continue;
    text += fmt::format("{} {} {}\n", name, tensor.text(), hex(data::fingerprint(view(tensor))));
  }
  return hex(data::fingerprint(text));
}

}  // namespace vila::cli
