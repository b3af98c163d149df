// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "eval/table.h"

namespace vila::eval {
namespace {

struct ReadCloser {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

struct WriteCloser {
  void operator()(archive* writer) const { archive_write_free(writer); }
};

struct EntryCloser {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

constexpr size_t kMaxPart = size_t{1} << 28;

// Parts of the package by name. @throws Error{invalid_data}
std::map<std::string, std::string> unzip(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  const std::unique_ptr<archive, ReadCloser> reader(archive_read_new());
  VILA_CHECK(reader != nullptr);
  archive_read_support_format_zip(reader.get());
  std::map<std::string, std::string> parts;
  int status = archive_read_open_memory(reader.get(), bytes.data(), bytes.size());
  archive_entry* entry = nullptr;
  while (status == ARCHIVE_OK &&
         (status = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    std::string& content = parts[archive_entry_pathname(entry)];
    std::array<char, 1 << 16> block;
    la_ssize_t count = 0;
    while ((count = archive_read_data(reader.get(), block.data(), block.size())) > 0) {
      content.append(block.data(), static_cast<size_t>(count));
      if (content.size() > kMaxPart) {
        fail(ErrorCode::invalid_data, "{}: expected parts of at most {} bytes", path.string(),
             kMaxPart);
      }
    }
    if (count < 0) status = ARCHIVE_FATAL;
  }
  if (status != ARCHIVE_EOF) {
    const char* reason = archive_error_string(reader.get());
    fail(ErrorCode::invalid_data, "{}: expected a workbook: {}", path.string(),
         reason == nullptr ? "not a zip archive" : reason);
  }
  return parts;
}

void append_reference(std::string& text, std::string_view name) {
  constexpr std::array<std::pair<std::string_view, char>, 5> kNamed = {
      {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}}};
  for (const auto& [known, c] : kNamed) {
    if (name == known) {
      text += c;
      return;
    }
  }
  const bool is_hex = name.starts_with("#x");
  const std::string_view digits = name.substr(std::min<size_t>(is_hex ? 2 : 1, name.size()));
  uint32_t code = 0;
  const auto parsed =
      std::from_chars(digits.data(), digits.data() + digits.size(), code, is_hex ? 16 : 10);
  append_utf8(text, parsed.ec == std::errc() && code <= 0x10FFFF ? code : 0xFFFD);
}

std::string unescape(std::string_view xml) {
  std::string text;
  for (size_t i = 0; i < xml.size(); ++i) {
    const size_t end = xml[i] == '&' ? xml.find(';', i) : std::string_view::npos;
    if (end == std::string_view::npos) {
      text += xml[i];
      continue;
    }
    append_reference(text, xml.substr(i + 1, end - i - 1));
    i = end;
  }
  return text;
}

// One element of flat XML: the text of its start tag and what is inside.
struct Element {
  std::string_view tag;
  std::string_view inside;

  std::string_view attribute(std::string_view name) const {
    const std::string opening = " " + std::string(name) + "=\"";
    const size_t begin = tag.find(opening);
    if (begin == std::string_view::npos) return {};
    const std::string_view value = tag.substr(begin + opening.size());
    return value.substr(0, value.find('"'));
  }
};

// The next <name …>…</name> or <name …/> from `at` on, which moves behind it.
std::optional<Element> next_element(std::string_view xml, std::string_view name, size_t& at) {
  const std::string opening = "<" + std::string(name);
  const std::string closing = "</" + std::string(name) + ">";
  for (size_t begin = xml.find(opening, at); begin != std::string_view::npos;
       begin = xml.find(opening, begin + 1)) {
    const size_t after = begin + opening.size();
    if (after >= xml.size() || std::string_view(" >/").find(xml[after]) == std::string_view::npos) {
      continue;
    }
    const size_t tag_end = xml.find('>', after);
    if (tag_end == std::string_view::npos) break;
    const std::string_view tag = xml.substr(begin, tag_end - begin);
    at = tag_end + 1;
    if (tag.ends_with('/')) return Element{tag, {}};
    const size_t end = xml.find(closing, at);
    if (end == std::string_view::npos) break;
    const std::string_view inside = xml.substr(at, end - at);
    at = end + closing.size();
    return Element{tag, inside};
  }
  return std::nullopt;
}

std::string joined_text(std::string_view xml, std::string_view name) {
  std::string text;
  size_t at = 0;
  while (const auto part = next_element(xml, name, at))
    text += unescape(part->inside);
  return text;
}

// "AB12" gives 27.
size_t column_of(std::string_view reference) {
  size_t column = 0;
  for (const char c : reference) {
    if (c < 'A' || c > 'Z') break;
    column = column * 26 + static_cast<size_t>(c - 'A') + 1;
  }
  return column == 0 ? 0 : column - 1;
}

std::vector<std::string> read_row(std::string_view xml, const std::vector<std::string>& shared) {
  constexpr size_t kMaxColumns = 16384;
  std::vector<std::string> cells;
  size_t at = 0;
  while (const auto cell = next_element(xml, "c", at)) {
    const std::string_view reference = cell->attribute("r");
    const size_t column = reference.empty() ? cells.size() : column_of(reference);
    if (column >= kMaxColumns) continue;
    if (column >= cells.size()) cells.resize(column + 1);
    const std::string_view type = cell->attribute("t");
    cells[column] = joined_text(cell->inside, type == "inlineStr" ? "t" : "v");
    if (type == "s") {
      const auto which = static_cast<size_t>(std::atoll(cells[column].c_str()));
      cells[column] = which < shared.size() ? shared[which] : "";
    }
  }
  return cells;
}

std::vector<std::string> read_shared(const std::map<std::string, std::string>& parts) {
  std::vector<std::string> shared;
  const auto found = parts.find("xl/sharedStrings.xml");
  if (found == parts.end()) return shared;
  size_t at = 0;
  while (const auto item = next_element(found->second, "si", at))
    shared.push_back(joined_text(item->inside, "t"));
  return shared;
}

std::string escape(std::string_view text) {
  std::string xml;
  for (const char32_t c : decode_utf8(text)) {
    if (c == '&') {
      xml += "&amp;";
    } else if (c == '<') {
      xml += "&lt;";
    } else if (c == '>') {
      xml += "&gt;";
    } else if (c >= 0x80) {
      xml += fmt::format("&#{};", static_cast<uint32_t>(c));
    } else if (c >= ' ' || c == '\n' || c == '\t') {
      xml += static_cast<char>(c);
    }
  }
  return xml;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 16 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

void append_cell(std::string& xml, const std::string& reference, const std::string& style,
                 std::string_view text) {
  if (is_number(text)) {
    xml += fmt::format("<c r=\"{}\"{} t=\"n\"><v>{}</v></c>", reference, style, text);
  } else if (text.empty()) {
    xml += fmt::format("<c r=\"{}\"{} t=\"inlineStr\" />", reference, style);
  } else {
    const bool has_edges = text.front() <= ' ' || text.back() <= ' ';
    xml += fmt::format("<c r=\"{}\"{} t=\"inlineStr\"><is><t{}>{}</t></is></c>", reference, style,
                       has_edges ? " xml:space=\"preserve\"" : "", escape(text));
  }
}

void append_row(std::string& xml, size_t number, const std::vector<std::string>& cells) {
  xml += fmt::format("<row r=\"{}\">", number);
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string reference = fmt::format("{}{}", static_cast<char>('A' + i), number);
    append_cell(xml, reference, number == 1 ? " s=\"1\"" : "", cells[i]);
  }
  xml += "</row>";
}

struct Part {
  const char* name;
  const char* content;
};

// All that a workbook needs besides its sheet.
constexpr std::array kParts = {
    Part{"[Content_Types].xml",
         "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">"
         "<Default Extension=\"rels\" ContentType="
         "\"application/vnd.openxmlformats-package.relationships+xml\"/>"
         "<Override PartName=\"/xl/workbook.xml\" ContentType="
         "\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>"
         "<Override PartName=\"/xl/styles.xml\" ContentType="
         "\"application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml\"/>"
         "<Override PartName=\"/xl/worksheets/sheet1.xml\" ContentType="
         "\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/></Types>"},
    Part{"_rels/.rels",
         "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
         "<Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/"
         "relationships/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"},
    Part{"xl/workbook.xml",
         "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" xmlns:r="
         "\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets><sheet "
         "name=\"Sheet1\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>"},
    Part{"xl/_rels/workbook.xml.rels",
         "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
         "<Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/"
         "relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/>"
         "<Relationship Id=\"rId2\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/"
         "relationships/styles\" Target=\"styles.xml\"/></Relationships>"},
    Part{"xl/styles.xml",
         "<styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">"
         "<fonts count=\"2\"><font/><font><b val=\"1\"/></font></fonts><fills count=\"1\"><fill/>"
         "</fills><borders count=\"1\"><border/></borders><cellStyleXfs count=\"1\"><xf/>"
         "</cellStyleXfs><cellXfs count=\"2\"><xf/><xf fontId=\"1\" applyFont=\"1\"/></cellXfs>"
         "</styleSheet>"}};

void append_part(archive* writer, const char* name, std::string_view content) {
  const std::unique_ptr<archive_entry, EntryCloser> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  const bool is_written = archive_write_header(writer, entry.get()) == ARCHIVE_OK &&
                          archive_write_data(writer, content.data(), content.size()) ==
                              static_cast<la_ssize_t>(content.size());
  if (!is_written) fail(ErrorCode::failed, "workbook: {}", archive_error_string(writer));
}

}  // namespace

Table read_xlsx(const std::filesystem::path& path) {
  const auto parts = unzip(path);
  const auto sheet = parts.find("xl/worksheets/sheet1.xml");
  if (sheet == parts.end()) {
    fail(ErrorCode::invalid_data, "{}: expected a workbook with a first sheet", path.string());
  }
  const std::vector<std::string> shared = read_shared(parts);
  Table table{.source = path.string(), .columns = {}, .rows = {}};
  size_t at = 0;
  while (const auto row = next_element(sheet->second, "row", at)) {
    std::vector<std::string> cells = read_row(row->inside, shared);
    if (table.columns.empty()) {
      table.columns = std::move(cells);
      continue;
    }
    cells.resize(table.columns.size());
    table.rows.push_back(std::move(cells));
  }
  return table;
}

std::string sheet_xml(const Table& table) {
  VILA_CHECK(table.columns.size() <= 26);
  std::string xml = fmt::format(
      "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetPr>"
      "<outlinePr summaryBelow=\"1\" summaryRight=\"1\" /><pageSetUpPr /></sheetPr><dimension "
      "ref=\"A1:{}{}\" /><sheetViews><sheetView workbookViewId=\"0\"><selection activeCell=\"A1\" "
      "sqref=\"A1\" /></sheetView></sheetViews><sheetFormatPr baseColWidth=\"8\" "
      "defaultRowHeight=\"15\" /><sheetData>",
      static_cast<char>('A' + table.columns.size() - 1), table.rows.size() + 1);
  append_row(xml, 1, table.columns);
  for (size_t i = 0; i < table.rows.size(); ++i)
    append_row(xml, i + 2, table.rows[i]);
  xml +=
      "</sheetData><pageMargins left=\"0.75\" right=\"0.75\" top=\"1\" bottom=\"1\" "
      "header=\"0.5\" footer=\"0.5\" /></worksheet>";
  return xml;
}

std::string write_xlsx(const Table& table) {
  const std::string sheet = sheet_xml(table);
  std::string bytes(sheet.size() + (size_t{1} << 16), '\0');
  size_t used = 0;
  {
    const std::unique_ptr<archive, WriteCloser> writer(archive_write_new());
    VILA_CHECK(writer != nullptr);
    archive_write_set_format_zip(writer.get());
    archive_write_open_memory(writer.get(), bytes.data(), bytes.size(), &used);
    for (const Part& part : kParts)
      append_part(writer.get(), part.name, part.content);
    append_part(writer.get(), "xl/worksheets/sheet1.xml", sheet);
    archive_write_close(writer.get());
  }
  bytes.resize(used);
  return bytes;
}

}  // namespace vila::eval
