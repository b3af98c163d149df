// SPDX-License-Identifier: Apache-2.0
#include "support/zip_builder.h"

#include <cstdint>

#include <zlib.h>

namespace vila::test {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kLocalBytes = 30;

void put(std::string& bytes, uint64_t value, int size) {
  for (int i = 0; i < size; ++i)
    bytes += static_cast<char>(value >> (8 * i) & 0xff);
}

uint32_t checksum(const std::string& content, const ZipForm& form) {
  if (!form.has_checksums) return 0;
  const auto* bytes = reinterpret_cast<const Bytef*>(content.data());
  return static_cast<uint32_t>(::crc32_z(0, bytes, content.size()));
}

/// What local and central headers share, from the version to the length of the name.
void put_common(std::string& bytes, const std::pair<std::string, std::string>& member,
                const ZipForm& form) {
  const uint64_t size = form.is_zip64 ? 0xffffffff : member.second.size();
  put(bytes, 45, 2);
  put(bytes, 0, 2);
  put(bytes, form.claims_deflate ? 8 : 0, 2);
  put(bytes, 0, 4);
  put(bytes, checksum(member.second, form), 4);
  put(bytes, size, 4);
  put(bytes, size, 4);
  put(bytes, member.first.size(), 2);
}

void put_local(std::string& bytes, const std::pair<std::string, std::string>& member,
               const ZipForm& form) {
  const size_t start = bytes.size() + kLocalBytes + member.first.size();
  const size_t padding = form.is_aligned ? (kAlignment - (start + 4) % kAlignment) + 4 : 0;
  put(bytes, 0x04034b50, 4);
  put_common(bytes, member, form);
  put(bytes, padding, 2);
  bytes += member.first;
  if (padding > 0) {
    put(bytes, 0x4246, 2);  // PyTorch's field "FB"
    put(bytes, padding - 4, 2);
    bytes.append(padding - 4, 'Z');
  }
  bytes += member.second;
}

void put_central(std::string& bytes, const std::pair<std::string, std::string>& member,
                 uint64_t header, const ZipForm& form) {
  put(bytes, 0x02014b50, 4);
  put(bytes, 45, 2);
  put_common(bytes, member, form);
  put(bytes, form.is_zip64 ? 28 : 0, 2);
  put(bytes, 0, 2 + 2);  // comment, disk
  put(bytes, 0, 2 + 4);  // attributes
  put(bytes, form.is_zip64 ? 0xffffffff : header, 4);
  bytes += member.first;
  if (!form.is_zip64) return;
  put(bytes, 1, 2);
  put(bytes, 24, 2);
  for (const uint64_t value :
       {uint64_t{member.second.size()}, uint64_t{member.second.size()}, header})
    put(bytes, value, 8);
}

void put_end64(std::string& bytes, uint64_t count, uint64_t directory, uint64_t size) {
  const uint64_t end64 = bytes.size();
  put(bytes, 0x06064b50, 4);
  put(bytes, 44, 8);
  put(bytes, 45, 2);
  put(bytes, 45, 2);
  put(bytes, 0, 8);
  for (const uint64_t value : {count, count, size, directory})
    put(bytes, value, 8);
  put(bytes, 0x07064b50, 4);
  put(bytes, 0, 4);
  put(bytes, end64, 8);
  put(bytes, 1, 4);
}

}  // namespace

std::string build_zip(std::span<const std::pair<std::string, std::string>> members,
                      const ZipForm& form) {
  std::string bytes;
  std::string central;
  for (const auto& member : members) {
    const uint64_t header = bytes.size();
    put_local(bytes, member, form);
    put_central(central, member, header, form);
  }
  const uint64_t directory = bytes.size();
  bytes += central;
  if (form.is_zip64) put_end64(bytes, members.size(), directory, central.size());
  const uint64_t count = form.is_zip64 ? 0xffff : members.size();
  put(bytes, 0x06054b50, 4);
  put(bytes, 0, 4);
  put(bytes, count, 2);
  put(bytes, count, 2);
  put(bytes, form.is_zip64 ? 0xffffffff : central.size(), 4);
  put(bytes, form.is_zip64 ? 0xffffffff : directory, 4);
  put(bytes, 0, 2);
  return bytes;
}

}  // namespace vila::test
