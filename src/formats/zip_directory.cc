// SPDX-License-Identifier: Apache-2.0
#include "formats/zip_directory.h"

#include <algorithm>
#include <vector>

#include <zlib.h>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/byte_cursor.h"

namespace vila::formats {
namespace {

constexpr uint32_t kEndMark = 0x06054b50;
constexpr uint32_t kEnd64Mark = 0x06064b50;
constexpr uint32_t kEnd64LocatorMark = 0x07064b50;
constexpr uint32_t kCentralMark = 0x02014b50;
constexpr uint32_t kLocalMark = 0x04034b50;
constexpr size_t kEndBytes = 22;
constexpr size_t kEnd64LocatorBytes = 20;
constexpr size_t kCentralBytes = 46;
constexpr size_t kLocalBytes = 30;
constexpr size_t kMaxCommentBytes = 0xffff;
constexpr uint16_t kEncryptedFlag = 1;
constexpr uint16_t kZip64Field = 1;
constexpr uint32_t kInZip64Field = 0xffffffff;  // the number stands in the 64-bit field instead

/// Where the central directory lies.
struct Directory {
  uint64_t entries = 0;
  uint64_t size = 0;
  uint64_t offset = 0;
};

/// A row of the central directory.
struct Member {
  std::string name;
  uint64_t stored_size = 0;
  uint64_t size = 0;
  uint64_t header = 0;  // offset of the local header
  uint32_t crc32 = 0;
};

template <typename... Args>
[[noreturn]] void fail_zip(const std::string& source, fmt::format_string<Args...> format,
                           Args&&... args) {
  fail(ErrorCode::invalid_model, "{}: {}", source,
       fmt::format(format, std::forward<Args>(args)...));
}

/// Offset of the end record: the last place where its mark stands and its comment ends the file.
uint64_t find_end(std::span<const std::byte> file, const std::string& source) {
  if (file.size() >= kEndBytes) {
    const size_t last = file.size() - kEndBytes;
    const size_t first = last > kMaxCommentBytes ? last - kMaxCommentBytes : 0;
    for (size_t at = last + 1; at-- > first;) {
      ByteCursor cursor(file.subspan(at), source);
      if (cursor.number<uint32_t>() != kEndMark) continue;
      cursor.seek(kEndBytes - 2);
      if (cursor.number<uint16_t>() == cursor.left()) return at;
    }
  }
  fail_zip(source, "expected the end record of a zip file, found none; the file is cut or damaged");
}

Directory read_end(std::span<const std::byte> file, uint64_t at, const std::string& source) {
  ByteCursor cursor(file, source);
  cursor.seek(at + 4);
  const auto disk = cursor.number<uint16_t>();
  const auto directory_disk = cursor.number<uint16_t>();
  const auto entries_here = cursor.number<uint16_t>();
  Directory directory;
  directory.entries = cursor.number<uint16_t>();
  directory.size = cursor.number<uint32_t>();
  directory.offset = cursor.number<uint32_t>();
  if (disk != 0 || directory_disk != 0 || entries_here != directory.entries) {
    fail_zip(source, "expected a zip file in one part, found one of several");
  }
  return directory;
}

/// The 64-bit end record, where a locator stands in front of the end record at `end`.
bool read_end64(std::span<const std::byte> file, uint64_t end, Directory& directory,
                const std::string& source) {
  if (end < kEnd64LocatorBytes) return false;
  ByteCursor cursor(file, source);
  cursor.seek(end - kEnd64LocatorBytes);
  if (cursor.number<uint32_t>() != kEnd64LocatorMark) return false;
  cursor.take(4);
  cursor.seek(cursor.number<uint64_t>());
  if (cursor.number<uint32_t>() != kEnd64Mark) {
    fail_zip(source, "expected the 64-bit end record of a zip file, found none at its place");
  }
  cursor.take(8 + 2 + 2);
  const auto disk = cursor.number<uint32_t>();
  const auto directory_disk = cursor.number<uint32_t>();
  const auto entries_here = cursor.number<uint64_t>();
  directory.entries = cursor.number<uint64_t>();
  directory.size = cursor.number<uint64_t>();
  directory.offset = cursor.number<uint64_t>();
  if (disk != 0 || directory_disk != 0 || entries_here != directory.entries) {
    fail_zip(source, "expected a zip file in one part, found one of several");
  }
  return true;
}

Directory find_directory(std::span<const std::byte> file, const std::string& source) {
  const uint64_t end = find_end(file, source);
  Directory directory = read_end(file, end, source);
  read_end64(file, end, directory, source);
  if (directory.offset > end || directory.size > end - directory.offset ||
      directory.entries > directory.size / kCentralBytes) {
    fail_zip(source, "expected a directory of {} members inside the file, found {} bytes at {}",
             directory.entries, directory.size, directory.offset);
  }
  return directory;
}

/// Replaces the numbers that did not fit in 32 bits by those of the extra field.
void read_zip64_field(Member& member, std::span<const std::byte> extra, const std::string& source) {
  ByteCursor cursor(extra, source);
  while (cursor.left() >= 4) {
    const auto id = cursor.number<uint16_t>();
    const std::span<const std::byte> content = cursor.take(cursor.number<uint16_t>());
    if (id != kZip64Field) continue;
    ByteCursor field(content, source);
    for (uint64_t* number : {&member.size, &member.stored_size, &member.header}) {
      if (*number == kInZip64Field) *number = field.number<uint64_t>();
    }
    return;
  }
}

Member read_member(ByteCursor& cursor, std::span<const std::byte> file, const std::string& source) {
  if (cursor.number<uint32_t>() != kCentralMark) {
    fail_zip(source, "expected a member of the directory at {}, found other bytes",
             cursor.position() - 4);
  }
  cursor.take(4);  // versions
  const auto flags = cursor.number<uint16_t>();
  const auto method = cursor.number<uint16_t>();
  cursor.take(4);  // time and date
  Member member;
  member.crc32 = cursor.number<uint32_t>();
  member.stored_size = cursor.number<uint32_t>();
  member.size = cursor.number<uint32_t>();
  const auto name_bytes = cursor.number<uint16_t>();
  const auto extra_bytes = cursor.number<uint16_t>();
  const auto comment_bytes = cursor.number<uint16_t>();
  cursor.take(2 + 2 + 4);  // disk and attributes
  member.header = cursor.number<uint32_t>();
  member.name = replace_invalid_utf8(cursor.text(name_bytes));
  read_zip64_field(member, cursor.take(extra_bytes), source);
  cursor.take(comment_bytes);
  if (method != 0 || (flags & kEncryptedFlag) != 0 || member.stored_size != member.size) {
    fail_zip(source, "\"{}\": expected a stored member, found a compressed or encrypted one",
             member.name);
  }
  if (member.header > file.size() || member.size > file.size()) {
    fail_zip(source, "\"{}\": expected {} bytes inside the {} of the file, found them at {}",
             member.name, member.size, file.size(), member.header);
  }
  return member;
}

/// Checks the local header and gives the place of the content.
ZipEntry locate(const Member& member, std::span<const std::byte> file, const std::string& source) {
  ByteCursor cursor(file, source);
  cursor.seek(member.header);
  if (cursor.number<uint32_t>() != kLocalMark) {
    fail_zip(source, "\"{}\": expected its header at {}, found other bytes", member.name,
             member.header);
  }
  cursor.seek(member.header + kLocalBytes - 4);
  const auto name_bytes = cursor.number<uint16_t>();
  const auto extra_bytes = cursor.number<uint16_t>();
  if (replace_invalid_utf8(cursor.text(name_bytes)) != member.name) {
    fail_zip(source, "\"{}\": expected its name in its header, found another", member.name);
  }
  cursor.take(extra_bytes);
  const ZipEntry entry{cursor.position(), member.size, member.crc32};
  cursor.take(member.size);
  return entry;
}

/// Members in file order must end before the next begins, the last before the directory.
void check_overlaps(std::vector<Member>& members, const ZipDirectory& entries, uint64_t end,
                    const std::string& source) {
  std::ranges::sort(members, {}, &Member::header);
  for (size_t i = 0; i < members.size(); ++i) {
    const ZipEntry& entry = entries.find(members[i].name)->second;
    const uint64_t limit = i + 1 < members.size() ? members[i + 1].header : end;
    if (entry.offset + entry.size > limit) {
      fail_zip(source, "\"{}\": expected it to end before {}, found it overlaps what follows",
               members[i].name, limit);
    }
  }
}

}  // namespace

ZipDirectory read_zip_directory(std::span<const std::byte> file, const std::string& source) {
  const Directory directory = find_directory(file, source);
  ByteCursor cursor(file.first(static_cast<size_t>(directory.offset + directory.size)), source);
  cursor.seek(directory.offset);
  std::vector<Member> members;
  ZipDirectory entries;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    members.push_back(read_member(cursor, file, source));
    const Member& member = members.back();
    if (!entries.emplace(member.name, locate(member, file, source)).second) {
      fail_zip(source, "\"{}\": expected one member of this name, found two", member.name);
    }
  }
  if (cursor.left() != 0) {
    fail_zip(source, "expected {} members in the directory, found more", directory.entries);
  }
  check_overlaps(members, entries, directory.offset, source);
  return entries;
}

void check_zip_entry(std::span<const std::byte> content, const ZipEntry& entry,
                     const std::string& name, const std::string& source) {
  if (entry.crc32 == 0) return;
  const auto* bytes = reinterpret_cast<const Bytef*>(content.data());
  const auto found = static_cast<uint32_t>(::crc32_z(0, bytes, content.size()));
  if (found != entry.crc32) {
    fail_zip(source, "\"{}\": expected checksum {:08x}, found {:08x}; the file is damaged", name,
             entry.crc32, found);
  }
}

}  // namespace vila::formats
