// SPDX-License-Identifier: Apache-2.0
#include "media/image_processor.h"

#include <algorithm>

#include "base/error.h"
#include "media/resize.h"

namespace vila::media {
namespace {

void check_not_empty(const Image& image) {
  if (image.width < 1 || image.height < 1) {
    fail(ErrorCode::invalid_image, "expected a picture, found {} x {} pixels", image.width,
         image.height);
  }
}

/// int(mean * 255) of each channel, as process_images passes it to expand2square.
std::array<uint8_t, 3> pad_colour(const ProcessorConfig& config) {
  std::array<uint8_t, 3> colour{};
  for (size_t c = 0; c < 3; ++c) {
    colour[c] = static_cast<uint8_t>(std::clamp(config.mean[c] * 255.0F, 0.0F, 255.0F));
  }
  return colour;
}

Image pad_and_resize(const Image& image, const ProcessorConfig& config) {
  const int64_t side = std::max(image.width, image.height);
  const Canvas square{.image = image,
                      .width = side,
                      .height = side,
                      .left = (side - image.width) / 2,
                      .top = (side - image.height) / 2,
                      .colour = pad_colour(config)};
  const int64_t size = config.image_size;
  return resize_part(square, {size, size, 0, 0, size, size}, Filter::bicubic);
}

/// CLIPImageProcessor: shortest side to S, long side int(S * long / short), then the middle.
Image resize_and_crop(const Image& image, const ProcessorConfig& config) {
  const int64_t size = config.image_size;
  const int64_t shorter = std::min(image.width, image.height);
  const ResizeTarget target{.full_width = size * image.width / shorter,
                            .full_height = size * image.height / shorter,
                            .left = (size * image.width / shorter - size) / 2,
                            .top = (size * image.height / shorter - size) / 2,
                            .width = size,
                            .height = size};
  const Canvas whole{.image = image, .width = image.width, .height = image.height};
  return resize_part(whole, target, Filter::bicubic);
}

}  // namespace

ProcessorConfig::Mode parse_aspect_ratio(const std::string& name) {
  if (name == "pad") return ProcessorConfig::Mode::pad;
  if (name == "resize") return ProcessorConfig::Mode::resize;
  if (name.empty() || name == "none" || name == "square") return ProcessorConfig::Mode::crop;
  if (name == "dynamic") return ProcessorConfig::Mode::dynamic;
  if (name == "dynamic_s2") return ProcessorConfig::Mode::dynamic_s2;
  fail(ErrorCode::invalid_config,
       "image_aspect_ratio: expected \"pad\", \"resize\", \"square\", \"dynamic\", \"dynamic_s2\" "
       "or "
       "none, found \"{}\"",
       name);
}

Image process_geometry(const Image& image, const ProcessorConfig& config) {
  check_not_empty(image);
  switch (config.mode) {
    case ProcessorConfig::Mode::pad:
      return pad_and_resize(image, config);
    case ProcessorConfig::Mode::crop:
      if (config.crops) return resize_and_crop(image, config);
      break;
    case ProcessorConfig::Mode::resize:
    case ProcessorConfig::Mode::dynamic:
    case ProcessorConfig::Mode::dynamic_s2:
      break;
  }
  return resize(image, config.image_size, config.image_size);
}

Tensor normalise(const Image& image, const ProcessorConfig& config) {
  const int64_t size = config.image_size;
  VILA_CHECK(image.width == size && image.height == size, "{} x {} picture for a tower of {}",
             image.width, image.height, size);
  Tensor result = Tensor::empty(DType::f32, {3, size, size});
  float* target = result.data<float>();
  for (size_t c = 0; c < 3; ++c) {
    std::array<float, 256> table{};
    for (size_t byte = 0; byte < table.size(); ++byte) {
      const auto value = static_cast<float>(static_cast<double>(byte) * (1.0 / 255.0));
      table[byte] = (value - config.mean[c]) / config.std[c];
    }
    for (size_t i = c; i < image.pixels.size(); i += 3)
      *target++ = table[image.pixels[i]];
  }
  return result;
}

Tensor process_image(const Image& image, const ProcessorConfig& config) {
  return normalise(process_geometry(image, config), config);
}

}  // namespace vila::media
