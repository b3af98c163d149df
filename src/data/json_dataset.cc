// SPDX-License-Identifier: Apache-2.0
#include "data/json_dataset.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "data/row_parser.h"

namespace vila::data {
namespace {

Sample parse_row(Kind kind, const Json& row, const RowContext& context) {
  switch (kind) {
    case Kind::pairs:
      return parse_pair(row, context);
    case Kind::documents:
      return parse_document(row, context);
    case Kind::conversations:
      return parse_conversation(row, context);
    case Kind::text:
      return parse_text(row, context);
  }
  VILA_CHECK(false, "kind {}", static_cast<int>(kind));
  return {};
}

}  // namespace

JsonDataset::JsonDataset(const std::filesystem::path& path, Kind kind,
                         std::filesystem::path image_root)
    : index_(path), kind_(kind), image_root_(std::move(image_root)) {}

Sample JsonDataset::at(int64_t row) const {
  const std::string where = place(row).name();
  const std::string_view text = raw(row);
  if (!is_valid_utf8(text)) {
    fail(ErrorCode::invalid_data, "{}: expected UTF-8, found malformed bytes", where);
  }
  return parse_row(kind_, parse_json(text, where), {where, image_root_});
}

}  // namespace vila::data
