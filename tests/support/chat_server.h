// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace vila::test {

/// A request to the server.
struct ChatQuery {
  std::string target;         // "/v1/chat/completions"
  std::string authorization;  // "" for none
  std::string body;
};

/// What goes back.
struct ChatReply {
  int status = 200;
  std::string body{};
  std::string retry_after{};  // seconds, "" for none
};

/// A completion of OpenAI's form with this text.
ChatReply completion(const std::string& text, const std::string& model = "judge-1");

/// An HTTP/1.1 server on a free port of 127.0.0.1 that stands for a judge: one request a
/// connection, one connection at a time. Serves until it is destroyed.
class ChatServer {
 public:
  using Handler = std::function<ChatReply(const ChatQuery& query)>;

  explicit ChatServer(Handler handler);
  ~ChatServer();
  ChatServer(const ChatServer&) = delete;
  ChatServer& operator=(const ChatServer&) = delete;

  /// "http://127.0.0.1:PORT/v1"
  std::string url() const;

 private:
  void serve();
  void answer(int connection);

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace vila::test
