// SPDX-License-Identifier: Apache-2.0
#include "hub/listing.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "formats/hub_cache.h"

namespace vila::hub {
namespace {

constexpr size_t kMaxFiles = 100'000;
constexpr size_t kMaxBlobNameBytes = 128;

[[noreturn]] void reject(const std::string& source, const std::string& expected,
                         const Json& found) {
  fail(ErrorCode::network, "{}: expected {}, found {}", source, expected,
       found.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 120));
}

Json member(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : Json();
}

/// A file of Git LFS is named by its content's SHA-256; its blob is only a pointer.
RemoteFile read_file_row(const Json& row, const std::string& source) {
  RemoteFile file;
  const Json path = member(row, "rfilename");
  if (!path.is_string() || !is_inside_path(path.get<std::string>()))
    reject(source, "the path of a file inside the repository", path);
  file.path = path.get<std::string>();
  const Json lfs = member(row, "lfs");
  const Json size = lfs.is_object() ? member(lfs, "size") : member(row, "size");
  const Json etag = lfs.is_object() ? member(lfs, "sha256") : member(row, "blobId");
  if (size.is_number_unsigned()) file.size = size.get<uint64_t>();
  if (etag.is_null()) return file;
  if (!etag.is_string() || !is_blob_name(etag.get<std::string>()))
    reject(source, fmt::format("the checksum of \"{}\"", file.path), etag);
  file.etag = etag.get<std::string>();
  return file;
}

}  // namespace

bool is_inside_path(std::string_view path) noexcept {
  const bool has_plain_bytes = std::ranges::all_of(path, [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != '\x7f' && c != '\\';
  });
  return has_plain_bytes && std::ranges::all_of(split(path, "/"), [](std::string_view step) {
           return !step.empty() && step != "." && step != "..";
         });
}

bool is_blob_name(std::string_view name) noexcept {
  const bool has_bytes = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  return has_bytes && !name.empty() && name.front() != '.' && name.size() <= kMaxBlobNameBytes;
}

Listing read_listing(const std::string& json, const std::string& source) {
  Json root;
  try {
    root = parse_json(json, source);
  } catch (const Error& error) {
    throw Error(ErrorCode::network, error.message());
  }
  Listing listing;
  const Json commit = member(root, "sha");
  if (!commit.is_string() || !formats::is_commit(commit.get<std::string>()))
    reject(source, "a commit \"sha\" of 40 hexadecimal digits", commit);
  listing.commit = commit.get<std::string>();
  const Json rows = member(root, "siblings");
  if (!rows.is_array() || rows.size() > kMaxFiles)
    reject(source, fmt::format("a list \"siblings\" of at most {} files", kMaxFiles), rows);
  for (const Json& row : rows)
    listing.files.push_back(read_file_row(row, source));
  return listing;
}

}  // namespace vila::hub
