// SPDX-License-Identifier: Apache-2.0
// Files of torch.save that are made to do harm when Python unpickles them, read in a process that
// the kernel kills at its first attempt to run, connect, remove or create anything.
#include <array>
#include <cstddef>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "formats/torch_file.h"
#include "support/temporary_folder.h"
#include "support/torch_program.h"
#include "support/zip_builder.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using test::pickled_text;

/// Calls that a reader of files has no use for. SYS_open and SYS_openat are allowed: files are
/// read.
constexpr std::array kForbidden = {SYS_execve,    SYS_execveat, SYS_clone,    SYS_clone3,
                                   SYS_socket,    SYS_connect,  SYS_unlinkat, SYS_mkdirat,
                                   SYS_renameat2, SYS_kill,     SYS_ptrace,   SYS_prctl};

/// Lets the kernel kill this process at any of these calls. @return whether it will.
bool forbid_calls() {
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const long number : kForbidden) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

std::string command() {
  return pickled_text("touch canary");
}

/// Pickles by what they try. Each would do its harm in Python's own unpickler, or cost it much.
std::vector<std::string> attacks() {
  const std::string storage = test::TorchTensorProgram{}.bytes();
  std::string nested;
  for (int i = 0; i < 100'000; ++i)
    nested += "]q"s + '\0' + "h"s + '\0' + "a";
  std::string chain = "cos\nsystem\n" + command() + "\x85R";
  for (int i = 0; i < 1000; ++i)
    chain = "cbuiltins\ngetattr\n" + chain.substr(0, 40) + pickled_text("x") + "\x86R";
  return {
      "cos\nsystem\n" + command() + "\x85R",                 // GLOBAL, REDUCE
      "cposix\nsystem\n" + command() + "\x85R",              // another name of it
      "cbuiltins\neval\n" + pickled_text("1+1") + "\x85R",   // code as text
      "csubprocess\nPopen\n" + command() + "\x85R",          //
      "csocket\ncreate_connection\n" + command() + "\x85R",  // the network
      "\x8c\x02os\x8c\x06system\x93" + command() + "\x85R",  // STACK_GLOBAL
      "(ios\nsystem\n" + command(),                          // INST
      "(cos\nsystem\n" + command() + "o",                    // OBJ
      "cos\nsystem\n)\x81" + command() + "b",                // NEWOBJ and BUILD
      "ctorch._utils\n_rebuild_tensor_v2\n" + ("(cos\nsystem\n" + command() + "\x85Rt") + "R",
      "}" + pickled_text("w") + storage + "scos\nsystem\n" + command() +
          "\x85R0",  // behind a tensor
      "ccollections\nOrderedDict\n)R" + ("cos\nsystem\n" + command() + "\x85R") + "b",  // a state
      "\x82\x01",                                           // EXT1, a registered global
      "Pos.system\n",                                       // PERSID as text
      "cnumpy\nload\n" + pickled_text("canary") + "\x85R",  //
      "\x95\xff\xff\xff\xff\xff\xff\xff\x7f",               // a frame of 8 EiB
      "\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",               // bytes as many
      "r\xff\xff\xff\xff",                                  // a memo of 4 G entries
      "]q\x01h\x01"
      "a",  // a list of itself
      nested,
      chain,
  };
}

fs::path write_attack(const test::TemporaryFolder& folder, size_t number,
                      const std::string& program) {
  const std::vector<std::pair<std::string, std::string>> members = {
      {"archive/data.pkl", "\x80\x02" + program + "."}, {"archive/data/0", std::string(24, '\0')}};
  return folder.write(std::to_string(number) + ".bin", test::build_zip(members));
}

bool is_refused(const fs::path& file) {
  try {
    read_torch_file(file);
    return false;
  } catch (const Error& error) {
    return error.code() == ErrorCode::invalid_model;
  }
}

/// How many of the files are refused, found out by a process that may do nothing but read.
/// @return -1: the kernel ended it
int refused_in_custody(const std::vector<fs::path>& files) {
  const pid_t child = fork();
  if (child == 0) {
    if (!forbid_calls()) _exit(255);
    int count = 0;
    for (const fs::path& file : files)
      count += is_refused(file) ? 1 : 0;
    _exit(count);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

TEST(PickleAttack, IsRefusedWithoutRunningConnectingOrRemovingAnything) {
  const test::TemporaryFolder folder;
  std::vector<fs::path> files;
  for (const std::string& program : attacks())
    files.push_back(write_attack(folder, files.size(), program));

  const int refused = refused_in_custody(files);
  if (refused == 255) GTEST_SKIP() << "this kernel offers no seccomp filters";

  EXPECT_EQ(refused, static_cast<int>(files.size()));
  EXPECT_FALSE(fs::exists("canary"));
}

TEST(PickleAttack, CustodyEndsAProcessThatRunsSomething) {
  const pid_t child = fork();
  if (child == 0) {
    if (!forbid_calls()) _exit(255);
    execl("/bin/true", "true", nullptr);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 255) GTEST_SKIP() << "no seccomp filters";
  EXPECT_TRUE(WIFSIGNALED(status));
}

}  // namespace
}  // namespace vila::formats
