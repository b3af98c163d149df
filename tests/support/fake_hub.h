// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>

#include "support/http_server.h"

namespace vila::test {

/// git's id of a blob with this content, in hex (OpenSSL's libcrypto).
std::string git_blob_id(const std::string& content);

/// A Hugging Face Hub with one repository, "org/tiny", at one commit: its listing and its files,
/// as the real one answers, and with what can go wrong on the way.
class FakeHub {
 public:
  FakeHub();

  /// Large files are those of Git LFS: named by SHA-256 instead of by git.
  void add(const std::string& path, const std::string& content, bool is_large = false);

  std::string url() const { return server_.url(); }

  /// The name of a file's blob.
  std::string etag(const std::string& path) const;

  /// Requests whose target holds this text.
  std::vector<HttpQuery> queries(const std::string& part) const;

  static constexpr const char* kRepository = "org/tiny";
  std::string commit = std::string(40, 'c');
  std::string token;  // where not empty, a request without it gets 401
  std::string store;  // where not empty, large files are redirected to this server
  bool ignores_range = false;
  bool lists_sizes = true;  // else sizes and checksums come with the files alone
  std::string huge_file;    // listed with 10^18 bytes

  /// May change any reply; `count` is 1 for the first request of a target, 2 for the next, …
  std::function<void(const HttpQuery&, int count, HttpReply&)> tamper;

 private:
  struct File {
    std::string content;
    bool is_large = false;
  };

  HttpReply answer(const HttpQuery& query);
  HttpReply listing() const;
  HttpReply file(const HttpQuery& query, const std::string& path) const;

  std::map<std::string, File> files_;
  std::map<std::string, int> counts_;
  HttpServer server_;  // last: it starts when all else is there
};

/// A reply with the content that a query's Range asks for.
HttpReply content_reply(const HttpQuery& query, const std::string& content);

}  // namespace vila::test
