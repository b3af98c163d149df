// SPDX-License-Identifier: Apache-2.0
// Configs, tokenizers and rows of data sets: text that others wrote.
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "data/row_parser.h"
#include "fuzz/targets.h"
#include "hub/listing.h"
#include "spec/config.h"
#include "support/temporary_folder.h"
#include "text/tokenizer.h"

namespace vila::test {
namespace {

constexpr size_t kMaxRow = size_t{1} << 16;

/// A name in a folder of this process that leads to a file in memory: written without waiting for
/// the disk.
class NamedMemoryFile {
 public:
  NamedMemoryFile(const std::string& name, Bytes bytes) : file_(bytes), path_(folder() / name) {
    std::filesystem::remove(path_);
    std::filesystem::create_symlink(file_.path(), path_);
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  static const TemporaryFolder& folder() {
    static const TemporaryFolder folder;
    return folder;
  }

  MemoryFile file_;
  std::filesystem::path path_;
};

}  // namespace

void fuzz_tokenizer(Bytes bytes) {
  const NamedMemoryFile file("tokenizer.json", bytes);
  let_refuse([&] {
    const auto tokenizer = text::load_tokenizer(file.path());
    const auto ids = tokenizer->encode("A cat,  2 dogs\n\xc3\xa9 <|im_end|> \xff");
    for (const auto id : ids)
      tokenizer->piece(id);
  });
}

void fuzz_config(Bytes bytes) {
  const NamedMemoryFile file("config.json", bytes);
  let_refuse([&] { spec::read_config(file.path().parent_path(), {}); });
  let_refuse([&] { spec::read_vision_config(file.path().parent_path()); });
}

void fuzz_row(Bytes bytes) {
  if (bytes.size() > kMaxRow) return;
  const std::string where = "fuzz:1";
  const std::filesystem::path root;
  Json row;
  try {
    row = parse_json(text_of(bytes), where);
  } catch (const Error&) {
    return;
  }
  const data::RowContext context{where, root};
  let_refuse([&] { data::parse_pair(row, context); });
  let_refuse([&] { data::parse_document(row, context); });
  let_refuse([&] { data::parse_conversation(row, context); });
  let_refuse([&] { data::parse_text(row, context); });
}

void fuzz_listing(Bytes bytes) {
  let_refuse(
      [&] { hub::choose_files(hub::read_listing(text_of(bytes), "fuzz").files, {}, "org/name"); });
}

}  // namespace vila::test
