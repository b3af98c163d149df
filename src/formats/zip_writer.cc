// SPDX-License-Identifier: Apache-2.0
#include "formats/zip_writer.h"

#include <algorithm>

#include <zlib.h>

#include "base/numeric.h"

namespace vila::formats {
namespace {

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kCentralSignature = 0x02014b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocator64Signature = 0x07064b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint64_t kMax32 = 0xffffffff;  // in a 32-bit field: "see the 64-bit record"
constexpr unsigned kVersion = 45;        // 4.5: the first that knows the 64-bit form
constexpr unsigned kUtf8Names = 1 << 11;
constexpr unsigned kDosDate = (1 << 5) | 1;  // 1 January 1980: equal content, equal bytes
constexpr unsigned kPadding = 0x4246;        // the id of PyTorch's filler, "FB"
constexpr unsigned kZip64 = 1;
constexpr int64_t kAlignment = 64;
constexpr int64_t kLocalHeader = 30;
constexpr int64_t kExtraHeader = 4;
constexpr int64_t kZip64Local = kExtraHeader + 16;

// Little-endian numbers, one after the other.
class Bytes {
 public:
  Bytes& u16(unsigned value) { return put(value, 2); }

  Bytes& u32(uint64_t value) { return put(value, 4); }

  Bytes& u64(uint64_t value) { return put(value, 8); }

  Bytes& text(std::string_view value) {
    bytes_ += value;
    return *this;
  }

  std::string take() { return std::move(bytes_); }

 private:
  Bytes& put(uint64_t value, int size) {
    for (int i = 0; i < size; ++i)
      bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
    return *this;
  }

  std::string bytes_;
};

uint32_t checksum(std::span<const std::byte> content) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
}

// Fields of 32 bits that stand for larger numbers.
uint64_t capped(uint64_t value) {
  return std::min(value, kMax32);
}

}  // namespace

ZipWriter::ZipWriter(const std::filesystem::path& path) : file_(path) {}

void ZipWriter::append(std::string_view bytes) {
  file_.append(bytes);
  written_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::string_view content) {
  add(name, std::as_bytes(std::span(content.data(), content.size())));
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> content) {
  const Member member{name, written_, content.size(), checksum(content)};
  const bool is_large = member.size >= kMax32;
  const auto fixed = static_cast<int64_t>(written_ + name.size()) + kLocalHeader + kExtraHeader +
                     (is_large ? kZip64Local : 0);
  const auto filler = static_cast<unsigned>(round_up(fixed, kAlignment) - fixed);
  Bytes extra;
  if (is_large) extra.u16(kZip64).u16(16).u64(member.size).u64(member.size);
  extra.u16(kPadding).u16(filler).text(std::string(filler, 'Z'));
  const std::string extra_bytes = extra.take();
  Bytes header;
  header.u32(kLocalSignature).u16(kVersion).u16(kUtf8Names).u16(0).u16(0).u16(kDosDate);
  header.u32(member.crc32).u32(capped(member.size)).u32(capped(member.size));
  header.u16(static_cast<unsigned>(name.size())).u16(static_cast<unsigned>(extra_bytes.size()));
  append(header.text(name).text(extra_bytes).take());
  file_.append(content);
  written_ += content.size();
  members_.push_back(member);
}

std::string ZipWriter::directory() const {
  Bytes bytes;
  for (const Member& member : members_) {
    Bytes large;  // only what did not fit, in this order
    if (member.size >= kMax32) large.u64(member.size).u64(member.size);
    if (member.offset >= kMax32) large.u64(member.offset);
    std::string extra = large.take();
    if (!extra.empty()) {
      extra = Bytes().u16(kZip64).u16(static_cast<unsigned>(extra.size())).text(extra).take();
    }
    bytes.u32(kCentralSignature).u16(kVersion).u16(kVersion).u16(kUtf8Names).u16(0);
    bytes.u16(0).u16(kDosDate).u32(member.crc32);
    bytes.u32(capped(member.size)).u32(capped(member.size));
    bytes.u16(static_cast<unsigned>(member.name.size())).u16(static_cast<unsigned>(extra.size()));
    bytes.u16(0).u16(0).u16(0).u32(0).u32(capped(member.offset)).text(member.name).text(extra);
  }
  return bytes.take();
}

std::string ZipWriter::end_of_directory(uint64_t offset, uint64_t size) const {
  constexpr uint64_t kMaxMembers = 0xffff;
  const uint64_t count = members_.size();
  Bytes bytes;
  if (offset >= kMax32 || size >= kMax32 || count >= kMaxMembers) {
    constexpr uint64_t kRestOfRecord = 44;
    bytes.u32(kEnd64Signature).u64(kRestOfRecord).u16(kVersion).u16(kVersion).u32(0).u32(0);
    bytes.u64(count).u64(count).u64(size).u64(offset);
    bytes.u32(kLocator64Signature).u32(0).u64(offset + size).u32(1);
  }
  const auto short_count = static_cast<unsigned>(std::min(count, kMaxMembers));
  bytes.u32(kEndSignature).u16(0).u16(0).u16(short_count).u16(short_count);
  return bytes.u32(capped(size)).u32(capped(offset)).u16(0).take();
}

void ZipWriter::finish() {
  const uint64_t offset = written_;
  append(directory());
  append(end_of_directory(offset, written_ - offset));
  file_.commit();
}

}  // namespace vila::formats
