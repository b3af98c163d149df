// SPDX-License-Identifier: Apache-2.0
// `vila pull`, `list`, `rm` and `-m ORG/NAME` against a server that stands for the Hub.
#include <csignal>
#include <cstdlib>
#include <thread>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "e2e/fixture.h"
#include "support/fake_hub.h"

namespace vila::test {
namespace {

namespace fs = std::filesystem;

constexpr int kNetwork = 5;
constexpr int kInterrupted = 130;
constexpr const char* kVariables[] = {"HF_ENDPOINT",   "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN",
                                      "HF_TOKEN_PATH", "http_proxy",   "no_proxy"};

/// A hub that offers the fixture's model as org/tiny, and a program that looks for it there.
class Hub : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(model())) {
      const std::string path = entry.path().lexically_relative(model());
      if (entry.is_regular_file())
        hub_.add(path, read_file(entry.path()), path.ends_with(".safetensors"));
    }
    for (const char* variable : kVariables)
      unsetenv(variable);
    setenv("HF_ENDPOINT", hub_.url().c_str(), 1);
    setenv("HF_HUB_CACHE", cache().c_str(), 1);
    setenv("HF_TOKEN_PATH", file("no-token").c_str(), 1);
  }

  void TearDown() override {
    for (const char* variable : kVariables)
      unsetenv(variable);
  }

  fs::path cache() const { return file("hub"); }

  fs::path snapshot() const { return cache() / "models--org--tiny/snapshots" / hub_.commit; }

  fs::path partial_weights() const {
    return cache() / "models--org--tiny/blobs" / (hub_.etag("model.safetensors") + ".incomplete");
  }

  Json answer(const std::string& name) const {
    return json_of(vila({"run", "-m", name, "--json", "--max-tokens", "6", "--image", file("a.png"),
                         "What?"}))["token_ids"];
  }

  FakeHub hub_;
};

TEST_F(Hub, PullsAModelThatThenAnswersByItsName) {
  const ProcessResult pulled = vila({"pull", "org/tiny"});

  ASSERT_EQ(pulled.exit_code, 0) << pulled.error;
  EXPECT_EQ(pulled.out, snapshot().string() + "\n");
  EXPECT_NE(pulled.error.find("model.safetensors  "), std::string::npos) << pulled.error;
  EXPECT_EQ(answer("org/tiny"), answer(model().string()));
  EXPECT_EQ(answer("org/tiny@" + hub_.commit), answer(model().string()));
}

TEST_F(Hub, AsksForNothingOnceAModelIsHere) {
  ASSERT_EQ(vila({"pull", "org/tiny"}).exit_code, 0);
  const size_t before = hub_.queries("").size();

  answer("org/tiny");

  EXPECT_EQ(hub_.queries("").size(), before);
}

TEST_F(Hub, SaysHowToGetAModelThatIsNotHere) {
  const ProcessResult result = vila({"run", "-m", "org/tiny", "What?"});

  EXPECT_EQ(result.exit_code, 4);
  EXPECT_NE(result.error.find("vila pull org/tiny"), std::string::npos) << result.error;
  EXPECT_TRUE(hub_.queries("").empty());
}

TEST_F(Hub, ListsAndRemovesWhatWasPulled) {
  EXPECT_TRUE(json_of(vila({"list", "--json"}))["models"].empty());
  const Json pulled = json_of(vila({"pull", "org/tiny", "--json"}));
  EXPECT_EQ(pulled["commit"], hub_.commit);
  EXPECT_EQ(pulled["path"], snapshot().string());

  const Json listed = json_of(vila({"list", "--json"}))["models"];
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0]["model"], "org/tiny");
  EXPECT_EQ(listed[0]["revisions"], Json({"main"}));
  EXPECT_EQ(listed[0]["bytes"], pulled["bytes"]);
  EXPECT_NE(vila({"list"}).out.find("org/tiny  main"), std::string::npos);

  const Json removed = json_of(vila({"rm", "org/tiny", "--json"}));
  EXPECT_EQ(removed[0]["bytes"], pulled["bytes"]);
  EXPECT_TRUE(json_of(vila({"list", "--json"}))["models"].empty());
  EXPECT_EQ(vila({"rm", "org/tiny"}).exit_code, 4);
}

TEST_F(Hub, GoesOnAfterCtrlC) {
  hub_.tamper = [](const HttpQuery& query, int count, HttpReply& reply) {
    if (query.target.ends_with("model.safetensors") && count == 1) reply.stall_after = 1000;
  };
  const std::string pid_file = file("pid");
  ProcessResult result;
  std::thread pull([&] {
    result = run_process(
        {"/bin/sh", "-c", "echo $$ > " + pid_file + "; exec " VILA_BINARY " pull org/tiny"});
  });
  std::error_code absent;
  while (fs::file_size(partial_weights(), absent) != 1000)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  kill(std::stoi(read_file(pid_file)), SIGINT);
  pull.join();

  EXPECT_EQ(result.exit_code, kInterrupted) << result.error;
  EXPECT_NE(result.error.find("goes on from here"), std::string::npos) << result.error;
  EXPECT_FALSE(fs::exists(snapshot()));
  EXPECT_NE(vila({"list"}).out.find("1.0 kB of a download"), std::string::npos);
  ASSERT_EQ(vila({"pull", "org/tiny"}).exit_code, 0);
  EXPECT_EQ(hub_.queries("model.safetensors").back().header("range"), "bytes=1000-");
  EXPECT_EQ(read_file(snapshot() / "model.safetensors"), read_file(model() / "model.safetensors"));
}

TEST_F(Hub, FetchesEachFileOnceForTwoPullsAtATime) {
  ProcessResult first;
  std::thread other([&] { first = vila({"pull", "org/tiny"}); });
  const ProcessResult second = vila({"pull", "org/tiny"});
  other.join();

  EXPECT_EQ(first.exit_code, 0) << first.error;
  EXPECT_EQ(second.exit_code, 0) << second.error;
  EXPECT_EQ(hub_.queries("/model.safetensors").size(), 1U);
}

TEST_F(Hub, EndsWithCode5AndAdviceWhenTheServerRefuses) {
  const ProcessResult absent = vila({"pull", "org/other"});
  EXPECT_EQ(absent.exit_code, kNetwork);
  EXPECT_NE(absent.error.find("Repository not found"), std::string::npos) << absent.error;
  EXPECT_EQ(absent.out, "");

  hub_.token = "hf_right";
  const ProcessResult gated = vila({"pull", "org/tiny"});
  EXPECT_EQ(gated.exit_code, kNetwork);
  EXPECT_NE(gated.error.find("set HF_TOKEN"), std::string::npos) << gated.error;

  write_file(file("token"), "hf_right\n");
  setenv("HF_TOKEN_PATH", file("token").c_str(), 1);
  EXPECT_EQ(vila({"pull", "org/tiny"}).exit_code, 0);
}

TEST_F(Hub, IsRefusedWithCode3WhenTheDiskIsTooSmall) {
  hub_.huge_file = "model.safetensors";

  EXPECT_EQ(vila({"pull", "org/tiny"}).exit_code, 3);
}

TEST_F(Hub, IsLeftAloneWhenOffline) {
  setenv("HF_HUB_OFFLINE", "1", 1);

  EXPECT_EQ(vila({"pull", "org/tiny"}).exit_code, kNetwork);
  EXPECT_TRUE(hub_.queries("").empty());
}

TEST_F(Hub, IsReachedThroughAProxy) {
  setenv("http_proxy", hub_.url().c_str(), 1);
  setenv("HF_ENDPOINT", "http://hub.invalid", 1);

  EXPECT_EQ(vila({"pull", "org/tiny"}).exit_code, 0);
  EXPECT_EQ(hub_.queries("http://hub.invalid/api/models/org/tiny/").size(), 1U);
}

TEST_F(Hub, IsNamedByOrganisationAndName) {
  EXPECT_EQ(vila({"pull", "tiny"}).exit_code, 2);
  EXPECT_EQ(vila({"pull", "../../etc"}).exit_code, 2);
}

}  // namespace
}  // namespace vila::test
