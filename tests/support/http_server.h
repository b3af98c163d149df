// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace vila::test {

/// A request as it came.
struct HttpQuery {
  std::string method;
  std::string target;                          // path and query, or a whole address for a proxy
  std::map<std::string, std::string> headers;  // lower-case names

  /// "" when absent.
  std::string header(const std::string& name) const;
};

/// What goes back, and what goes wrong with it.
struct HttpReply {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};                      // Content-Length is that of the whole body
  size_t cut_after = std::string::npos;    // bytes of the body before the connection is dropped
  size_t stall_after = std::string::npos;  // bytes after which nothing more comes
};

/// An HTTP/1.1 server on a free port of 127.0.0.1: one reply a connection, each connection in a
/// thread of its own. Serves until it is destroyed.
class HttpServer {
 public:
  using Handler = std::function<HttpReply(const HttpQuery&)>;

  /// @param handler  called for one request at a time
  explicit HttpServer(Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// "http://127.0.0.1:PORT"
  std::string url() const;

  /// All requests so far.
  std::vector<HttpQuery> queries() const;

 private:
  void accept_all();
  void serve(int connection);
  void send_reply(int connection, const HttpQuery& query, const HttpReply& reply);

  Handler handler_;
  int listener_ = -1;
  int stop_pipe_[2] = {-1, -1};
  int port_ = 0;
  mutable std::mutex mutex_;  // of the fields below, and of calls of the handler
  std::condition_variable stopped_;
  bool is_stopping_ = false;
  std::vector<HttpQuery> queries_;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

}  // namespace vila::test
