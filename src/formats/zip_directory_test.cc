// SPDX-License-Identifier: Apache-2.0
#include "formats/zip_directory.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/expect_error.h"
#include "support/zip_builder.h"

namespace vila::formats {
namespace {

using Members = std::vector<std::pair<std::string, std::string>>;

const Members kMembers = {
    {"a/data.pkl", "first"}, {"a/data/0", std::string(100, 'x')}, {"empty", ""}};

std::span<const std::byte> bytes_of(const std::string& file) {
  return std::as_bytes(std::span(file));
}

std::string content(const std::string& file, const ZipEntry& entry) {
  return file.substr(entry.offset, entry.size);
}

TEST(ZipDirectory, FindsMembersOfBothForms) {
  for (const bool is_zip64 : {false, true}) {
    const std::string file = test::build_zip(kMembers, {.is_zip64 = is_zip64});
    const ZipDirectory directory = read_zip_directory(bytes_of(file), "x");
    ASSERT_EQ(directory.size(), 3U);
    for (const auto& [name, expected] : kMembers) {
      const ZipEntry& entry = directory.find(name)->second;
      EXPECT_EQ(content(file, entry), expected);
      EXPECT_EQ(entry.offset % 64, 0U);
      check_zip_entry(bytes_of(file).subspan(entry.offset, entry.size), entry, name, "x");
    }
  }
}

TEST(ZipDirectory, FindsTheEndBeforeAComment) {
  std::string file = test::build_zip(kMembers);
  file[file.size() - 2] = 5;
  file += "hello";
  EXPECT_EQ(read_zip_directory(bytes_of(file), "x").size(), 3U);
  EXPECT_THROW(read_zip_directory(bytes_of(file + "more"), "x"), Error);
}

TEST(ZipDirectory, ComparesChecksumsThatWereRecorded) {
  std::string file = test::build_zip(kMembers);
  const ZipDirectory directory = read_zip_directory(bytes_of(file), "x");
  const ZipEntry entry = directory.at("a/data/0");
  file[entry.offset] = 'y';
  const auto damaged = bytes_of(file).subspan(entry.offset, entry.size);
  test::expect_error(ErrorCode::invalid_model, "checksum",
                     [&] { check_zip_entry(damaged, entry, "a/data/0", "x"); });
  check_zip_entry(damaged, {entry.offset, entry.size, 0}, "a/data/0", "x");
}

TEST(ZipDirectory, RefusesCompressedMembersAndTwoOfOneName) {
  test::expect_error(ErrorCode::invalid_model, "stored", [] {
    read_zip_directory(bytes_of(test::build_zip(kMembers, {.claims_deflate = true})), "x");
  });
  test::expect_error(ErrorCode::invalid_model, "two", [] {
    read_zip_directory(bytes_of(test::build_zip(Members{{"a", "1"}, {"a", "2"}})), "x");
  });
}

TEST(ZipDirectory, RefusesMembersThatOverlap) {
  const std::string file =
      test::build_zip(Members{{"a", "12345678"}, {"b", "12345678"}}, {.is_aligned = false});
  // The first member's size in the central directory, grown over the second's header.
  std::string damaged = file;
  const size_t central = file.find("PK\x01\x02");
  damaged[central + 20] = damaged[central + 24] = 30;
  test::expect_error(ErrorCode::invalid_model, "overlaps",
                     [&] { read_zip_directory(bytes_of(damaged), "x"); });
}

TEST(ZipDirectory, EveryFlippedByteAndEveryLengthIsAnErrorOrKeepsContentsInsideTheFile) {
  for (const bool is_zip64 : {false, true}) {
    const std::string file = test::build_zip(kMembers, {.is_zip64 = is_zip64});
    const auto try_reading = [&](const std::string& damaged) {
      try {
        for (const auto& [name, entry] : read_zip_directory(bytes_of(damaged), "x")) {
          EXPECT_LE(entry.offset + entry.size, damaged.size());
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_model);
      }
    };
    for (size_t at = 0; at < file.size(); ++at) {
      std::string damaged = file;
      for (const int flip : {0x01, 0x80, 0xff}) {
        damaged[at] = static_cast<char>(file[at] ^ flip);
        try_reading(damaged);
      }
      try_reading(file.substr(0, at));
    }
  }
}

}  // namespace
}  // namespace vila::formats
