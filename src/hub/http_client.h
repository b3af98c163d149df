// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "hub/settings.h"

namespace vila::hub {

/// One GET, or HEAD, of a whole file or of its rest.
struct HttpRequest {
  std::string url;
  bool is_head = false;
  uint64_t first_byte = 0;  // > 0: asks for the rest of the content from there on
};

/// What came back. `status` 0: no whole answer; `failure` says why.
struct HttpResponse {
  int status = 0;
  std::string url;                             // where the answer came from, after redirects
  std::map<std::string, std::string> headers;  // lower-case names; "x-…" of the first server that
                                               // gave one, the others of the last
  std::string body;                            // of answers that went to no sink; cut at 64 MiB
  std::string failure;
  std::optional<std::chrono::seconds> retry_after;

  bool is_success() const { return failure.empty() && (status == 200 || status == 206); }

  /// Whether another attempt may bring more: no answer, 408, 429 or 5xx.
  bool is_temporary() const;

  /// "" when absent. @param name  in lower case.
  std::string header(const std::string& name) const;
};

/// Takes the content of an answer with status 200 or 206, piece by piece; may throw.
using BodySink = std::function<void(const HttpResponse&, std::span<const char> piece)>;

/// Fetches over HTTP(S) with libcurl, which keeps the connection and obeys the proxy variables.
/// Redirects are followed, never from https to http; the token goes to the first server only, and
/// over plain http only to this machine. An owner; one thread.
class HttpClient {
 public:
  HttpClient(const Settings& settings, std::function<bool()> is_cancelled);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// One attempt. Without a sink the body is kept. @throws Error{cancelled}, and what the sink
  /// throws; failures of the network are in the response.
  HttpResponse fetch(const HttpRequest& request, const BodySink& sink = {});

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

/// Whether a token may go there: https, or a server on this machine.
bool may_carry_token(const std::string& url);

}  // namespace vila::hub
