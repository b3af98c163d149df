// SPDX-License-Identifier: Apache-2.0
#include "data/tar_pairs.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "data/image_source.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::data {
namespace {

using test::expect_error;
using test::TemporaryFolder;

using Members = std::vector<std::pair<std::string, std::string>>;

std::filesystem::path write_tar(const std::filesystem::path& path, const Members& members,
                                bool compressed = false) {
  const std::unique_ptr<archive, decltype(&archive_write_free)> writer(archive_write_new(),
                                                                       &archive_write_free);
  archive_write_set_format_pax_restricted(writer.get());
  if (compressed) archive_write_add_filter_gzip(writer.get());
  archive_write_open_filename(writer.get(), path.c_str());
  for (const auto& [name, content] : members) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              &archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_write_header(writer.get(), entry.get());
    archive_write_data(writer.get(), content.data(), content.size());
  }
  archive_write_close(writer.get());
  return path;
}

TEST(TarPairs, ReadsPicturesInPlaceAndCaptionsFromTextOrJson) {
  const TemporaryFolder folder;
  const std::string second(3000, 'P');
  const auto file = write_tar(folder.path() / "set.tar",
                              {{"000.jpg", "JPEG"},
                               {"000.txt", "a cat\n"},
                               {"a.b/001.PNG", second},
                               {"a.b/001.json", R"({"caption": "a dog", "concept": "dog"})"},
                               {"000.cls", "5"}});
  const auto dataset = open_dataset(file, Kind::pairs);
  ASSERT_EQ(dataset->size(), 2);
  const Sample cat = dataset->at(0);
  EXPECT_EQ(cat.text, "a cat");
  EXPECT_EQ(cat.id, "000");
  EXPECT_EQ(read_image_bytes(cat.images[0]), "JPEG");
  const Sample dog = dataset->at(1);
  EXPECT_EQ(dog.text, "a dog");
  EXPECT_EQ(dog.label, "dog");
  EXPECT_EQ(dog.id, "a.b/001");
  EXPECT_EQ(read_image_bytes(dog.images[0]), second);
  EXPECT_EQ(dog.images[0].name(), file.string() + "/a.b/001.PNG");
  EXPECT_EQ(dataset->raw(0), "a cat\n");
}

TEST(TarPairs, PrefersTheTextAndTakesTheRestFromJson) {
  const TemporaryFolder folder;
  const TarPairs pairs(write_tar(
      folder.path() / "set.tar",
      {{"1.txt", "from text"}, {"1.json", R"({"text": "from json", "id": 9})"}, {"1.webp", "W"}}));
  EXPECT_EQ(pairs.at(0).text, "from text");
  EXPECT_EQ(pairs.at(0).id, "9");
}

TEST(TarPairs, FindsMembersWithNamesTooLongForAPlainHeader) {
  const TemporaryFolder folder;
  const std::string name(180, 'n');
  const TarPairs pairs(
      write_tar(folder.path() / "set.tar", {{name + ".png", "PIXELS"}, {name + ".txt", "long"}}));
  ASSERT_EQ(pairs.size(), 1);
  EXPECT_EQ(read_image_bytes(pairs.at(0).images[0]), "PIXELS");
}

TEST(TarPairs, NamesTheRowThatLacksItsPictureOrItsText) {
  const TemporaryFolder folder;
  const TarPairs pairs(
      write_tar(folder.path() / "set.tar",
                {{"1.txt", "text"}, {"2.png", "P"}, {"3.png", "P"}, {"3.txt", "\xC3"}}));
  expect_error(ErrorCode::invalid_data, "set.tar (row 0): 1: expected a picture",
               [&] { pairs.at(0); });
  expect_error(ErrorCode::invalid_data, "found only 2.png", [&] { pairs.at(1); });
  expect_error(ErrorCode::invalid_data, "expected UTF-8", [&] { pairs.at(2); });
}

TEST(TarPairs, RefusesWhatIsNoPlainTar) {
  const TemporaryFolder folder;
  const auto compressed = write_tar(folder.path() / "gz.tar", {{"1.png", "P"}}, true);
  const auto noise = folder.write("noise.tar", std::string(4096, 'x'));
  expect_error(ErrorCode::invalid_data, "gz.tar: expected an uncompressed tar",
               [&] { TarPairs{compressed}; });
  expect_error(ErrorCode::invalid_data, "noise.tar", [&] { TarPairs{noise}; });
}

TEST(TarPairs, RefusesATarThatIsCutShort) {
  const TemporaryFolder folder;
  const auto whole = write_tar(folder.path() / "set.tar", {{"1.png", std::string(5000, 'P')}});
  const auto cut = folder.write("cut.tar", read_file(whole).substr(0, 2048));
  expect_error(ErrorCode::invalid_data, "cut.tar", [&] { TarPairs{cut}; });
}

TEST(TarPairs, HoldsOnlyPairs) {
  const TemporaryFolder folder;
  const auto file = write_tar(folder.path() / "set.tar", {{"1.png", "P"}});
  expect_error(ErrorCode::invalid_data, "a tar holds pairs",
               [&] { open_dataset(file, Kind::documents); });
  EXPECT_EQ(detect_kind(file), Kind::pairs);
}

TEST(ImageSource, SaysWhenTheTarBecameShorter) {
  const TemporaryFolder folder;
  ImageSource source(folder.write("set.tar", "short"));
  source.offset = 2;
  source.size = 100;
  source.member = "a.png";
  expect_error(ErrorCode::invalid_data, "set.tar/a.png: expected 100 bytes",
               [&] { read_image_bytes(source); });
}

}  // namespace
}  // namespace vila::data
