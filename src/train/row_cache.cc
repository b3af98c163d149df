// SPDX-License-Identifier: Apache-2.0
#include "train/row_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/core_count.h"
#include "base/error.h"
#include "base/thread_pool.h"

namespace vila::train {
namespace {

constexpr int64_t kImageBlock = 512;

uint64_t image_checksum(const std::vector<data::ImageSource>& images,
                        const media::ProcessorConfig& config) {
  uint64_t sum = checksum(fmt::format("{} {}", config.image_size, static_cast<int>(config.mode)));
  for (const data::ImageSource& image : images) {
    std::error_code error;
    const auto bytes = std::filesystem::file_size(image.path, error);
    if (error) fail(ErrorCode::not_found, "{}: {}", image.name(), error.message());
    const auto time = std::filesystem::last_write_time(image.path).time_since_epoch().count();
    sum = checksum(fmt::format("{} {} {}\n", image.name(), bytes, time), sum);
  }
  return sum;
}

std::string decode_block(ThreadPool& pool, const media::ProcessorConfig& config,
                         std::span<const data::ImageSource> images) {
  const auto row_bytes = static_cast<size_t>(config.image_size * config.image_size * 3);
  std::string bytes(row_bytes * images.size(), '\0');
  pool.parallel_for(static_cast<int64_t>(images.size()), 8, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const media::Image image = media::process_geometry(data::load_image(images[i]), config);
      VILA_CHECK(image.pixels.size() == row_bytes);
      std::ranges::copy(image.pixels, reinterpret_cast<uint8_t*>(bytes.data()) + i * row_bytes);
    }
  });
  return bytes;
}

}  // namespace

uint64_t checksum(std::span<const std::byte> bytes, uint64_t seed) {
  for (const std::byte byte : bytes) {
    seed = (seed ^ static_cast<uint64_t>(byte)) * 1099511628211ULL;
  }
  return seed;
}

uint64_t checksum(std::string_view text, uint64_t seed) {
  return checksum(std::as_bytes(std::span(text)), seed);
}

RowCache::RowCache(const std::filesystem::path& path, int64_t count, int64_t row_bytes,
                   int64_t block, const Builder& builder)
    : count_(count), row_bytes_(row_bytes) {
  std::error_code error;
  const auto expected = static_cast<uintmax_t>(count * row_bytes);
  if (std::filesystem::file_size(path, error) != expected || error) {
    std::filesystem::create_directories(path.parent_path());
    AtomicFileWriter writer(path);
    for (int64_t begin = 0; begin < count; begin += block) {
      writer.append(builder(begin, std::min(begin + block, count)));
    }
    writer.commit();
  }
  if (count > 0) file_ = std::make_unique<MappedFile>(path);
}

std::span<const std::byte> RowCache::row(int64_t index) const {
  VILA_CHECK(index >= 0 && index < count_);
  return file_->bytes().subspan(static_cast<size_t>(index * row_bytes_),
                                static_cast<size_t>(row_bytes_));
}

ImageCache::ImageCache(const std::filesystem::path& folder, std::vector<data::ImageSource> images,
                       const media::ProcessorConfig& config, const LogSink& log)
    : side_(config.image_size) {
  const auto name = [](const data::ImageSource& image) { return image.name(); };
  std::ranges::sort(images, {}, name);
  images.erase(std::ranges::unique(images, {}, name).begin(), images.end());
  std::ranges::transform(images, std::back_inserter(names_), name);
  checksum_ = image_checksum(images, config);
  ThreadPool pool(available_cores());
  const auto build = [&](int64_t begin, int64_t end) {
    if (log) log(LogLevel::info, fmt::format("decoding pictures: {} of {}", begin, count()));
    return decode_block(
        pool, config,
        std::span(images).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
  };
  rows_ = std::make_unique<RowCache>(folder / fmt::format("images-{:016x}.u8", checksum_), count(),
                                     side_ * side_ * 3, kImageBlock, build);
}

int64_t ImageCache::index(const data::ImageSource& image) const {
  const auto found = std::ranges::lower_bound(names_, image.name());
  VILA_CHECK(found != names_.end() && *found == image.name(), "{} is not cached", image.name());
  return found - names_.begin();
}

}  // namespace vila::train
