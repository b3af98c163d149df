// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json.h"
#include "media/image.h"
#include "support/process.h"
#include "support/temporary_folder.h"

namespace vila::test {

/// A folder with a tiny random checkpoint in model/ and pictures a.png and b.png, and the real
/// program to run on them.
class Program : public testing::Test {
 protected:
  void SetUp() override;

  std::filesystem::path model() const { return folder_.path() / "model"; }

  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }

  void save_picture(const std::string& name, const media::Image& image) const;

  /// `vila arguments…`
  ProcessResult vila(std::vector<std::string> arguments, const std::string& input = "") const;

  /// `vila run -m model --max-tokens 6 arguments…`
  ProcessResult run(std::vector<std::string> arguments, const std::string& input = "") const;

 private:
  TemporaryFolder folder_;
};

/// stdout of a command that must have succeeded, as JSON.
Json json_of(const ProcessResult& result);

/// Lines of text as JSON values.
std::vector<Json> json_lines(const std::string& text);

}  // namespace vila::test
