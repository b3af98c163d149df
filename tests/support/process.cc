// SPDX-License-Identifier: Apache-2.0
#include "support/process.h"

#include <csignal>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "support/temporary_folder.h"

namespace vila::test {
namespace {

void redirect(const std::string& path, int flags, int target) {
  const int descriptor = open(path.c_str(), flags, 0600);
  if (descriptor < 0 || dup2(descriptor, target) < 0) _exit(127);
}

[[noreturn]] void become(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const std::string& argument : command)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

ProcessResult run_process(const std::vector<std::string>& command, const std::string& input,
                          const std::string& out_file) {
  const TemporaryFolder folder;
  const std::string in = (folder.path() / "in").string();
  const std::string out = out_file.empty() ? (folder.path() / "out").string() : out_file;
  const std::string error = (folder.path() / "error").string();
  write_file(in, input);
  const pid_t child = fork();
  if (child == 0) {
    redirect(in, O_RDONLY, STDIN_FILENO);
    redirect(out, O_WRONLY | O_CREAT, STDOUT_FILENO);
    redirect(error, O_WRONLY | O_CREAT, STDERR_FILENO);
    become(command);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    fail(ErrorCode::failed, "{}: expected a process, found none", command.front());
  }
  ProcessResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (out_file.empty()) result.out = read_file(out);
  result.error = read_file(error);
  return result;
}

bool run_and_kill(const std::vector<std::string>& command, int64_t microseconds) {
  const pid_t child = fork();
  if (child == 0) {
    redirect("/dev/null", O_RDWR, STDIN_FILENO);
    redirect("/dev/null", O_RDWR, STDOUT_FILENO);
    redirect("/dev/null", O_RDWR, STDERR_FILENO);
    become(command);
  }
  usleep(static_cast<useconds_t>(microseconds));
  int status = 0;
  if (child > 0) kill(child, SIGKILL);
  if (child < 0 || waitpid(child, &status, 0) != child) {
    fail(ErrorCode::failed, "{}: expected a process, found none", command.front());
  }
  return WIFSIGNALED(status);
}

}  // namespace vila::test
