// SPDX-License-Identifier: Apache-2.0
#include "hub/http_client.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/http_server.h"

namespace vila::hub {
namespace {

using test::HttpQuery;
using test::HttpReply;
using test::HttpServer;

Settings quick(const std::string& endpoint) {
  Settings settings;
  settings.endpoint = endpoint;
  settings.connect_timeout = std::chrono::milliseconds(2000);
  settings.stall_timeout = std::chrono::milliseconds(300);
  return settings;
}

TEST(HttpClient, KeepsBodyStatusAndHeaders) {
  const HttpServer server([](const HttpQuery&) {
    return HttpReply{.status = 429,
                     .headers = {{"X-Error-Message", "slow down"}, {"Retry-After", "7"}},
                     .body = "busy"};
  });
  HttpClient client(quick(server.url()), {});

  const HttpResponse response = client.fetch({.url = server.url() + "/x"});

  EXPECT_EQ(response.status, 429);
  EXPECT_TRUE(response.is_temporary());
  EXPECT_EQ(response.header("x-error-message"), "slow down");
  EXPECT_EQ(response.body, "busy");
  EXPECT_EQ(response.retry_after, std::chrono::seconds(7));
}

TEST(HttpClient, SaysWhyNothingCame) {
  std::string address;
  {
    const HttpServer gone([](const HttpQuery&) { return HttpReply{}; });
    address = gone.url();
  }
  HttpClient client(quick(address), {});

  const HttpResponse response = client.fetch({.url = address + "/x"});

  EXPECT_NE(response.failure, "");
  EXPECT_TRUE(response.is_temporary());
  EXPECT_FALSE(response.is_success());
}

TEST(HttpClient, GivesUpATransferThatStalls) {
  const HttpServer server(
      [](const HttpQuery&) { return HttpReply{.body = "0123456789", .stall_after = 4}; });
  HttpClient client(quick(server.url()), {});
  std::string content;

  const HttpResponse response = client.fetch({.url = server.url() + "/x"},
                                             [&](const HttpResponse&, std::span<const char> piece) {
                                               content.append(piece.data(), piece.size());
                                             });

  EXPECT_NE(response.failure.find("no byte for"), std::string::npos) << response.failure;
  EXPECT_EQ(content, "0123");
}

TEST(HttpClient, NoticesAContentThatEndsEarly) {
  const HttpServer server(
      [](const HttpQuery&) { return HttpReply{.body = "0123456789", .cut_after = 4}; });
  HttpClient client(quick(server.url()), {});

  EXPECT_TRUE(client.fetch({.url = server.url() + "/x"}).is_temporary());
}

TEST(HttpClient, NeverCarriesTheTokenToAnotherServer) {
  const HttpServer store([](const HttpQuery&) { return HttpReply{.body = "content"}; });
  const HttpServer hub([&](const HttpQuery& query) {
    if (query.target == "/here") return HttpReply{.body = "here"};
    const std::string place = query.target == "/near" ? "/here" : store.url() + "/far";
    return HttpReply{.status = 302, .headers = {{"Location", place}}};
  });
  Settings settings = quick(hub.url());
  settings.token = "hf_secret";
  HttpClient client(settings, {});

  EXPECT_EQ(client.fetch({.url = hub.url() + "/away"}).body, "content");
  EXPECT_EQ(client.fetch({.url = hub.url() + "/near"}).body, "here");
  EXPECT_EQ(client.fetch({.url = store.url() + "/direct"}).body, "content");

  for (const HttpQuery& query : hub.queries())
    EXPECT_EQ(query.header("authorization"), "Bearer hf_secret") << query.target;
  ASSERT_EQ(store.queries().size(), 2U);
  for (const HttpQuery& query : store.queries())
    EXPECT_EQ(query.header("authorization"), "") << query.target;
}

TEST(HttpClient, KeepsWhatTheFirstServerSaysOfALinkedFile) {
  const HttpServer store([](const HttpQuery&) {
    return HttpReply{.headers = {{"ETag", "\"of-the-store\""}, {"X-Linked-Etag", "\"wrong\""}}};
  });
  const HttpServer hub([&](const HttpQuery&) {
    return HttpReply{.status = 302,
                     .headers = {{"Location", store.url()}, {"X-Linked-Etag", "\"right\""}}};
  });
  HttpClient client(quick(hub.url()), {});

  const HttpResponse response = client.fetch({.url = hub.url() + "/x", .is_head = true});

  EXPECT_EQ(response.header("x-linked-etag"), "\"right\"");
  EXPECT_EQ(response.header("etag"), "\"of-the-store\"");
}

TEST(HttpClient, FollowsNoRedirectInCircles) {
  const HttpServer hub([](const HttpQuery&) {
    return HttpReply{.status = 302, .headers = {{"Location", "/again"}}};
  });
  HttpClient client(quick(hub.url()), {});

  EXPECT_NE(client.fetch({.url = hub.url() + "/x"}).failure, "");
}

TEST(HttpClient, StopsWhenItIsCancelled) {
  const HttpServer server(
      [](const HttpQuery&) { return HttpReply{.body = "0123456789", .stall_after = 4}; });
  Settings settings = quick(server.url());
  settings.stall_timeout = std::chrono::minutes(1);
  HttpClient client(settings, [] { return true; });

  test::expect_error(ErrorCode::cancelled, "cancelled",
                     [&] { client.fetch({.url = server.url() + "/x"}); });
}

TEST(Token, GoesOnlyWhereNobodyCanReadIt) {
  EXPECT_TRUE(may_carry_token("https://huggingface.co"));
  EXPECT_TRUE(may_carry_token("http://127.0.0.1:8080/x"));
  EXPECT_TRUE(may_carry_token("http://localhost"));
  EXPECT_FALSE(may_carry_token("http://huggingface.co"));
  EXPECT_FALSE(may_carry_token("http://127.0.0.1.evil.example/"));
  EXPECT_FALSE(may_carry_token("http://127.0.0.1@evil.example/"));
}

}  // namespace
}  // namespace vila::hub
