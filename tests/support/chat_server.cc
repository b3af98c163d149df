// SPDX-License-Identifier: Apache-2.0
#include "support/chat_server.h"

#include <array>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

namespace vila::test {
namespace {

// Reads until `text` has what is asked for, or the client is gone.
template <typename IsWhole>
bool read_until(int connection, std::string& text, const IsWhole& is_whole) {
  std::array<char, 4096> block;
  while (!is_whole()) {
    const ssize_t got = recv(connection, block.data(), block.size(), 0);
    if (got <= 0) return false;
    text.append(block.data(), static_cast<size_t>(got));
  }
  return true;
}

// The value of a header, "" for none. Headers are those that curl writes.
std::string header(const std::string& head, const std::string& name) {
  const size_t at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

}  // namespace

ChatReply completion(const std::string& text, const std::string& model) {
  const nlohmann::json body = {
      {"model", model},
      {"choices", {{{"index", 0}, {"message", {{"role", "assistant"}, {"content", text}}}}}}};
  return {.status = 200, .body = body.dump()};
}

ChatServer::ChatServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || bind(listener_, generic, size) != 0 || listen(listener_, 16) != 0 ||
      getsockname(listener_, generic, &size) != 0) {
    fail(ErrorCode::failed, "expected a port on this machine, found none");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

ChatServer::~ChatServer() {
  shutdown(listener_, SHUT_RDWR);  // ends accept()
  thread_.join();
  close(listener_);
}

std::string ChatServer::url() const {
  return "http://127.0.0.1:" + std::to_string(port_) + "/v1";
}

void ChatServer::serve() {
  for (;;) {
    const int connection = accept(listener_, nullptr, nullptr);
    if (connection < 0) return;
    answer(connection);
    close(connection);
  }
}

void ChatServer::answer(int connection) {
  std::string text;
  size_t head_end = std::string::npos;
  const bool has_head = read_until(connection, text, [&] {
    head_end = text.find("\r\n\r\n");
    return head_end != std::string::npos;
  });
  if (!has_head) return;
  const std::string head = text.substr(0, head_end);
  const size_t length = std::stoul("0" + header(head, "Content-Length"));
  if (header(head, "Expect") == "100-continue") {
    const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    send(connection, go_on.data(), go_on.size(), MSG_NOSIGNAL);
  }
  if (!read_until(connection, text, [&] { return text.size() >= head_end + 4 + length; })) return;
  const size_t target = head.find(' ') + 1;
  const ChatReply reply = handler_({.target = head.substr(target, head.find(' ', target) - target),
                                    .authorization = header(head, "Authorization"),
                                    .body = text.substr(head_end + 4)});
  std::string out = "HTTP/1.1 " + std::to_string(reply.status) + " x\r\nConnection: close\r\n";
  if (!reply.retry_after.empty()) out += "Retry-After: " + reply.retry_after + "\r\n";
  out += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n\r\n" + reply.body;
  send(connection, out.data(), out.size(), MSG_NOSIGNAL);
}

}  // namespace vila::test
