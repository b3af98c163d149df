// SPDX-License-Identifier: Apache-2.0
#include "data/image_source.h"

#include <fstream>
#include <span>

#include "base/error.h"
#include "base/file.h"

namespace vila::data {

std::string ImageSource::name() const {
  return member.empty() ? path.string() : path.string() + "/" + member;
}

std::string read_image_bytes(const ImageSource& source) {
  if (source.size < 0) return read_file(source.path);
  std::ifstream stream(source.path, std::ios::binary);
  if (!stream) {
    fail(ErrorCode::not_found, "{}: could not be opened", source.path.string());
  }
  std::string bytes(static_cast<size_t>(source.size), '\0');
  stream.seekg(source.offset);
  stream.read(bytes.data(), source.size);
  if (stream.gcount() != source.size) {
    fail(ErrorCode::invalid_data, "{}: expected {} bytes at offset {}, found {}", source.name(),
         source.size, source.offset, stream.gcount());
  }
  return bytes;
}

media::Image load_image(const ImageSource& source, const media::DecodeLimits& limits) {
  const std::string bytes = read_image_bytes(source);
  return media::decode_image(std::as_bytes(std::span(bytes)), source.name(), limits);
}

}  // namespace vila::data
