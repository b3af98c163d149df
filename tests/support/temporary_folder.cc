// SPDX-License-Identifier: Apache-2.0
#include "support/temporary_folder.h"

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"

namespace vila::test {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "vila-test-XXXXXX").string();
  VILA_CHECK(::mkdtemp(pattern.data()) != nullptr, "mkdtemp {}", pattern);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path TemporaryFolder::write(const fs::path& name, std::string_view content) const {
  const fs::path file = path_ / name;
  fs::create_directories(file.parent_path());
  write_file(file, content);
  return file;
}

}  // namespace vila::test
