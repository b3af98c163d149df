// SPDX-License-Identifier: Apache-2.0
#include "support/http_server.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

namespace vila::test {
namespace {

void check(bool condition, const char* action) {
  if (!condition) fail(ErrorCode::failed, "test server: could not {}", action);
}

bool send_all(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

/// Reads up to the empty line that ends the headers; "" when the other side left.
std::string read_head(int connection) {
  std::string head;
  std::array<char, 4096> buffer{};
  while (head.find("\r\n\r\n") == head.npos) {
    const ssize_t got = recv(connection, buffer.data(), buffer.size(), 0);
    if (got <= 0) return "";
    head.append(buffer.data(), static_cast<size_t>(got));
  }
  return head;
}

HttpQuery parse_head(const std::string& head) {
  HttpQuery query;
  const size_t first = head.find(' ');
  const size_t second = head.find(' ', first + 1);
  query.method = head.substr(0, first);
  query.target = head.substr(first + 1, second - first - 1);
  size_t begin = head.find("\r\n") + 2;
  for (size_t end = head.find("\r\n", begin); end > begin && end != head.npos;
       begin = end + 2, end = head.find("\r\n", begin)) {
    const size_t colon = head.find(": ", begin);
    std::string name = head.substr(begin, colon - begin);
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    query.headers[name] = head.substr(colon + 2, end - colon - 2);
  }
  return query;
}

}  // namespace

std::string HttpQuery::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

HttpServer::HttpServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  check(listener_ >= 0 && bind(listener_, generic, size) == 0, "bind");
  check(listen(listener_, 16) == 0 && getsockname(listener_, generic, &size) == 0, "listen");
  check(pipe(stop_pipe_) == 0, "make a pipe");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

HttpServer::~HttpServer() {
  {
    const std::lock_guard guard(mutex_);
    is_stopping_ = true;
  }
  stopped_.notify_all();
  check(write(stop_pipe_[1], "x", 1) == 1, "stop");
  acceptor_.join();
  for (std::thread& thread : connections_)
    thread.join();
  close(listener_);
  close(stop_pipe_[0]);
  close(stop_pipe_[1]);
}

std::string HttpServer::url() const {
  return fmt::format("http://127.0.0.1:{}", port_);
}

std::vector<HttpQuery> HttpServer::queries() const {
  const std::lock_guard guard(mutex_);
  return queries_;
}

void HttpServer::accept_all() {
  while (true) {
    std::array<pollfd, 2> watched = {pollfd{listener_, POLLIN, 0},
                                     pollfd{stop_pipe_[0], POLLIN, 0}};
    if (poll(watched.data(), watched.size(), -1) < 0 || watched[1].revents != 0) return;
    const int connection = accept(listener_, nullptr, nullptr);
    if (connection < 0) continue;
    const std::lock_guard guard(mutex_);
    connections_.emplace_back([this, connection] {
      serve(connection);
      close(connection);
    });
  }
}

void HttpServer::serve(int connection) {
  const std::string head = read_head(connection);
  if (head.empty()) return;
  const HttpQuery query = parse_head(head);
  HttpReply reply;
  {
    const std::lock_guard guard(mutex_);
    queries_.push_back(query);
    reply = handler_(query);
  }
  send_reply(connection, query, reply);
}

void HttpServer::send_reply(int connection, const HttpQuery& query, const HttpReply& reply) {
  std::string head = fmt::format("HTTP/1.1 {} -\r\nContent-Length: {}\r\nConnection: close\r\n",
                                 reply.status, reply.body.size());
  for (const auto& [name, value] : reply.headers)
    head += name + ": " + value + "\r\n";
  if (!send_all(connection, head + "\r\n") || query.method == "HEAD") return;
  const size_t end = std::min({reply.body.size(), reply.cut_after, reply.stall_after});
  if (!send_all(connection, std::string_view(reply.body).substr(0, end))) return;
  if (reply.stall_after >= reply.body.size()) return;
  std::unique_lock lock(mutex_);
  stopped_.wait(lock, [this] { return is_stopping_; });
}

}  // namespace vila::test
