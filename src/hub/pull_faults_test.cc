// SPDX-License-Identifier: Apache-2.0
// What can go wrong on the way, and that a pull comes through or says why not.
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "base/file.h"
#include "hub/file_lock.h"
#include "support/expect_error.h"
#include "support/pull_fixture.h"

namespace vila::hub {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::HttpQuery;
using test::HttpReply;

class PullFaults : public PullTest {
 protected:
  /// Changes the replies to the first `times` requests for the weights.
  void spoil(int times, const std::function<void(HttpReply&)>& change) {
    hub_.tamper = [=](const HttpQuery& query, int count, HttpReply& reply) {
      const bool is_weights = query.target.ends_with("model.safetensors");
      if (is_weights && count <= times) change(reply);
    };
  }

  void expect_whole(const Pulled& pulled) const {
    EXPECT_EQ(read_file(pulled.folder / "llm/model.safetensors"), weights_);
    EXPECT_FALSE(fs::exists(partial_weights()));
  }

  void expect_nothing_looks_whole() const {
    EXPECT_FALSE(fs::exists(weights_blob()));
    EXPECT_FALSE(fs::exists(cache() / "models--org--tiny/snapshots"));
    EXPECT_FALSE(fs::exists(cache() / "models--org--tiny/refs"));
  }

  std::vector<std::string> ranges() const {
    std::vector<std::string> found;
    for (const HttpQuery& query : hub_.queries("model.safetensors"))
      found.push_back(query.header("range"));
    return found;
  }
};

TEST_F(PullFaults, GoesOnWhereADroppedConnectionLeftOff) {
  spoil(2, [](HttpReply& reply) { reply.cut_after = 30'000; });

  expect_whole(pull());

  EXPECT_EQ(ranges(), (std::vector<std::string>{"", "bytes=30000-", "bytes=60000-"}));
}

TEST_F(PullFaults, GoesOnWhereAnEarlierPullLeftOff) {
  fs::create_directories(weights_blob().parent_path());
  write_file(partial_weights(), weights_.substr(0, 70'000));

  expect_whole(pull());

  EXPECT_EQ(ranges(), std::vector<std::string>{"bytes=70000-"});
}

TEST_F(PullFaults, NeedsNoRequestForAPartThatIsWhole) {
  fs::create_directories(weights_blob().parent_path());
  write_file(partial_weights(), weights_);

  expect_whole(pull());

  EXPECT_TRUE(ranges().empty());
}

TEST_F(PullFaults, StartsAgainWhenAPartIsOfAnotherFile) {
  fs::create_directories(weights_blob().parent_path());
  write_file(partial_weights(), std::string(50'000, 'x'));

  expect_whole(pull());

  EXPECT_EQ(ranges(), (std::vector<std::string>{"bytes=50000-", ""}));
}

TEST_F(PullFaults, StartsAgainWhenAPartIsTooLong) {
  fs::create_directories(weights_blob().parent_path());
  write_file(partial_weights(), weights_ + "more");

  expect_whole(pull());
}

TEST_F(PullFaults, TakesAllFromAServerThatIgnoresTheRange) {
  hub_.ignores_range = true;
  fs::create_directories(weights_blob().parent_path());
  write_file(partial_weights(), weights_.substr(0, 70'000));

  expect_whole(pull());
}

TEST_F(PullFaults, StartsAgainAfterARangeThatTheServerRefuses) {
  fs::create_directories(weights_blob().parent_path());
  write_file(partial_weights(), weights_.substr(0, 70'000));
  spoil(1, [](HttpReply& reply) { reply = {.status = 416}; });

  expect_whole(pull());

  EXPECT_EQ(ranges(), (std::vector<std::string>{"bytes=70000-", ""}));
}

TEST_F(PullFaults, EndsWhenTheServerRefusesEveryRange) {
  spoil(1000, [](HttpReply& reply) { reply = {.status = 416}; });

  expect_error(ErrorCode::network, "HTTP 416", [&] { pull(); });
}

TEST_F(PullFaults, RefusesBytesFromAnotherPlace) {
  fs::create_directories(weights_blob().parent_path());
  write_file(partial_weights(), weights_.substr(0, 70'000));
  spoil(1, [](HttpReply& reply) { reply.headers = {{"Content-Range", "bytes 7-99999/100000"}}; });

  expect_error(ErrorCode::network, "from byte 70000", [&] { pull(); });
  expect_whole(pull());
}

TEST_F(PullFaults, ComesThroughAStall) {
  spoil(1, [](HttpReply& reply) { reply.stall_after = 10'000; });

  expect_whole(pull());

  EXPECT_EQ(ranges(), (std::vector<std::string>{"", "bytes=10000-"}));
}

TEST_F(PullFaults, FetchesDamagedContentOnceMore) {
  spoil(1, [](HttpReply& reply) { reply.body[500] ^= 1; });

  expect_whole(pull());
}

TEST_F(PullFaults, NeverKeepsDamagedContent) {
  spoil(1000, [](HttpReply& reply) { reply.body[500] ^= 1; });

  expect_error(ErrorCode::network, "checksum", [&] { pull(); });

  expect_nothing_looks_whole();
}

TEST_F(PullFaults, ChecksSmallFilesByTheirGitId) {
  hub_.tamper = [](const HttpQuery& query, int, HttpReply& reply) {
    if (query.target.ends_with("config.json")) reply.body[3] ^= 1;
  };

  expect_error(ErrorCode::network, "\"config.json\": expected checksum", [&] { pull(); });
}

TEST_F(PullFaults, RefusesMoreBytesThanTheFileHas) {
  spoil(1000, [](HttpReply& reply) { reply.body += "more"; });

  expect_error(ErrorCode::network, "found more", [&] { pull(); });

  expect_nothing_looks_whole();
}

TEST_F(PullFaults, WaitsAndTriesAgainWhenTheServerIsBusy) {
  for (const int status : {408, 429, 500, 503}) {
    SCOPED_TRACE(status);
    test::FakeHub hub;
    hub.add("config.json", kConfig);
    hub.tamper = [=](const HttpQuery&, int count, HttpReply& reply) {
      if (count <= 2) reply = {.status = status};
    };
    settings_.endpoint = hub.url();
    settings_.cache = folder_ / std::to_string(status);

    EXPECT_EQ(pull().files.size(), 1U);
  }
}

TEST_F(PullFaults, GivesUpInTheEnd) {
  hub_.tamper = [](const HttpQuery&, int, HttpReply& reply) { reply = {.status = 500}; };

  expect_error(ErrorCode::network, "HTTP 500", [&] { pull(); });

  EXPECT_EQ(hub_.queries("").size(), static_cast<size_t>(settings_.attempts));
}

TEST_F(PullFaults, GivesUpWhenAttemptsBringNothing) {
  spoil(1000, [](HttpReply& reply) { reply.cut_after = 0; });

  expect_error(ErrorCode::network, "what has arrived is kept", [&] { pull(); });

  expect_nothing_looks_whole();
}

TEST_F(PullFaults, TriesARefusalOnlyOnceAndSaysWhatToDo) {
  hub_.token = "hf_right";
  expect_error(ErrorCode::network, "set HF_TOKEN", [&] { pull(); });
  EXPECT_EQ(hub_.queries("").size(), 1U);

  settings_.token = "hf_wrong";
  expect_error(ErrorCode::network, "accept the model's conditions at " + hub_.url() + "/org/tiny",
               [&] { pull(); });
}

TEST_F(PullFaults, TellsPrivateAbsentAndForbiddenApart) {
  const auto message_of = [&](int status) {
    hub_.tamper = [=](const HttpQuery&, int, HttpReply& reply) { reply = {.status = status}; };
    try {
      pull();
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  EXPECT_NE(message_of(401).find("set HF_TOKEN"), std::string::npos);
  EXPECT_NE(message_of(403).find("set HF_TOKEN"), std::string::npos);
  EXPECT_NE(message_of(404).find("revision \"main\""), std::string::npos);
  settings_.token = "hf_old";
  EXPECT_NE(message_of(401).find("HF_TOKEN is valid"), std::string::npos);
  EXPECT_NE(message_of(403).find("accept the model's conditions"), std::string::npos);
}

TEST_F(PullFaults, PassesNoControlCharactersOfTheServerOn) {
  hub_.tamper = [](const HttpQuery&, int, HttpReply& reply) {
    reply = {.status = 403, .headers = {{"X-Error-Message", "\x1b[31mno"}}};
  };
  try {
    pull();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.message().find('\x1b'), std::string::npos) << error.message();
  }
}

TEST_F(PullFaults, LeavesAPartToGoOnFromWhenItIsCancelled) {
  spoil(1, [](HttpReply& reply) { reply.stall_after = 50'000; });
  settings_.stall_timeout = std::chrono::minutes(1);
  bool is_cancelled = false;
  hooks_.is_cancelled = [&] { return is_cancelled; };
  hooks_.on_progress = [&](const Hooks::Progress& progress) {
    is_cancelled = progress.file_done > 40'000;
  };

  expect_error(ErrorCode::cancelled, "cancelled", [&] { pull(); });

  expect_nothing_looks_whole();
  const uintmax_t kept = fs::file_size(partial_weights());
  EXPECT_GT(kept, 40'000U);
  hooks_ = {};
  expect_whole(pull());
  EXPECT_EQ(ranges().back(), fmt::format("bytes={}-", kept));
}

TEST_F(PullFaults, WaitsForAnotherPullOfTheSameFile) {
  const fs::path lock_file =
      cache() / ".locks/models--org--tiny" / (weights_blob().filename().string() + ".lock");
  auto lock = FileLock::try_take(lock_file);
  ASSERT_TRUE(lock);
  std::string said;
  hooks_.log = [&](LogLevel, std::string_view message) { said += message; };
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    write_file(weights_blob(), weights_);  // the other process is done
    lock.reset();
  });

  expect_whole(pull());

  other.join();
  EXPECT_NE(said.find("another process"), std::string::npos) << said;
  EXPECT_TRUE(ranges().empty());
}

TEST_F(PullFaults, DoesNotSendTheTokenInTheClear) {
  settings_.endpoint = "http://hub.invalid";
  settings_.token = "hf_secret";
  settings_.attempts = 1;
  std::string said;
  hooks_.log = [&](LogLevel, std::string_view message) { said += message; };

  expect_error(ErrorCode::network, "HF_ENDPOINT", [&] { pull(); });

  EXPECT_NE(said.find("not sent"), std::string::npos) << said;
}

}  // namespace
}  // namespace vila::hub
