// SPDX-License-Identifier: Apache-2.0
#include "support/fake_hub.h"

#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/sha.h>

#include "base/json.h"
#include "support/sha256.h"

namespace vila::test {
namespace {

HttpReply error_reply(int status, const std::string& code, const std::string& message) {
  return {.status = status,
          .headers = {{"X-Error-Code", code}, {"X-Error-Message", message}},
          .body = Json({{"error", message}}).dump()};
}

}  // namespace

std::string git_blob_id(const std::string& content) {
  std::string text = fmt::format("blob {}", content.size());
  text.push_back('\0');
  text += content;
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::string hex;
  for (const unsigned char byte : digest)
    hex += fmt::format("{:02x}", byte);
  return hex;
}

HttpReply content_reply(const HttpQuery& query, const std::string& content) {
  const std::string range = query.header("range");
  if (range.empty()) return {.body = content};
  const size_t first = std::stoul(range.substr(range.find('=') + 1));
  if (first >= content.size()) {
    return {.status = 416,
            .headers = {{"Content-Range", fmt::format("bytes */{}", content.size())}}};
  }
  return {.status = 206,
          .headers = {{"Content-Range",
                       fmt::format("bytes {}-{}/{}", first, content.size() - 1, content.size())}},
          .body = content.substr(first)};
}

FakeHub::FakeHub() : server_([this](const HttpQuery& query) { return answer(query); }) {}

void FakeHub::add(const std::string& path, const std::string& content, bool is_large) {
  files_[path] = {content, is_large};
}

std::string FakeHub::etag(const std::string& path) const {
  const File& file = files_.at(path);
  return file.is_large ? sha256_hex(std::as_bytes(std::span(file.content)))
                       : git_blob_id(file.content);
}

std::vector<HttpQuery> FakeHub::queries(const std::string& part) const {
  std::vector<HttpQuery> found = server_.queries();
  std::erase_if(
      found, [&](const HttpQuery& query) { return query.target.find(part) == query.target.npos; });
  return found;
}

HttpReply FakeHub::answer(const HttpQuery& query) {
  const std::string list = fmt::format("/api/models/{}/revision/", kRepository);
  const std::string resolve = fmt::format("/{}/resolve/{}/", kRepository, commit);
  HttpReply reply = error_reply(404, "RepoNotFound", "Repository not found");
  std::string target = query.target;
  if (target.starts_with("http://")) target.erase(0, target.find('/', 7));  // asked as a proxy
  if (!token.empty() && query.header("authorization") != "Bearer " + token) {
    reply = error_reply(401, "GatedRepo", "Access to model org/tiny is restricted.");
  } else if (target.starts_with(list + "main") || target.starts_with(list + commit)) {
    reply = listing();
  } else if (target.starts_with(resolve) && files_.contains(target.substr(resolve.size()))) {
    reply = file(query, target.substr(resolve.size()));
  }
  if (tamper) tamper(query, ++counts_[target], reply);
  return reply;
}

HttpReply FakeHub::listing() const {
  Json rows = Json::array();
  for (const auto& [path, file] : files_) {
    Json row = {{"rfilename", path}};
    if (lists_sizes) {
      row["size"] = file.content.size();
      row["blobId"] = file.is_large ? std::string(40, 'f') : etag(path);
    }
    if (lists_sizes && file.is_large)
      row["lfs"] = {{"sha256", etag(path)}, {"size", file.content.size()}, {"pointerSize", 130}};
    if (path == huge_file) row["lfs"]["size"] = uint64_t{1'000'000'000'000'000'000};
    rows.push_back(row);
  }
  return {.headers = {{"Content-Type", "application/json"}},
          .body = Json({{"id", kRepository}, {"sha", commit}, {"siblings", rows}}).dump()};
}

HttpReply FakeHub::file(const HttpQuery& query, const std::string& path) const {
  const File& file = files_.at(path);
  if (file.is_large && !store.empty()) {
    return {.status = 302,
            .headers = {{"Location", store + "/" + etag(path)},
                        {"X-Repo-Commit", commit},
                        {"X-Linked-Etag", "\"" + etag(path) + "\""},
                        {"X-Linked-Size", fmt::format("{}", file.content.size())}}};
  }
  HttpReply reply =
      ignores_range ? HttpReply{.body = file.content} : content_reply(query, file.content);
  reply.headers.emplace_back("ETag", "\"" + etag(path) + "\"");
  return reply;
}

}  // namespace vila::test
