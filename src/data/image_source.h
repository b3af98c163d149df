// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "media/decode.h"

namespace vila::data {

/// Where the bytes of a picture lie: a file of its own, or a member of an uncompressed tar. A
/// value.
struct ImageSource {
  ImageSource() = default;

  ImageSource(std::filesystem::path file) : path(std::move(file)) {}  // a picture file converts

  std::filesystem::path path;
  int64_t offset = 0;
  int64_t size = -1;   // bytes from `offset`; -1: to the end of the file
  std::string member;  // name inside the tar, "" for a file of its own

  /// For messages and keys: "shots/a.jpg" or "set.tar/000001.jpg".
  std::string name() const;

  friend bool operator==(const ImageSource&, const ImageSource&) = default;
};

/// The encoded bytes. @throws Error{not_found} naming the picture; Error{invalid_data} when the tar
/// became shorter than its index says.
std::string read_image_bytes(const ImageSource& source);

/// The decoded picture. @throws Error{not_found | invalid_image} naming it.
media::Image load_image(const ImageSource& source, const media::DecodeLimits& limits = {});

}  // namespace vila::data
