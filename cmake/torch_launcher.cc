// SPDX-License-Identifier: Apache-2.0
// Starts the program in the module beside it, named as itself with ".so": see FindLibTorch.cmake.
#include <climits>
#include <cstdio>
#include <string>

#include <dlfcn.h>
#include <unistd.h>

int main(int count, char** arguments) {
  char path[PATH_MAX] = {};
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
  const std::string module =
      std::string(path, length > 0 ? static_cast<size_t>(length) : 0) + ".so";
  // Deep binding: what the module brings looks for symbols in itself before this process, whose
  // libsentencepiece is bound already.
  void* handle = dlopen(module.c_str(), RTLD_NOW | RTLD_DEEPBIND);
  void* entry = handle == nullptr ? nullptr : dlsym(handle, "main");
  if (entry == nullptr) {
    std::fprintf(stderr, "%s: %s\n", arguments[0], dlerror());
    return 1;
  }
  return reinterpret_cast<int (*)(int, char**)>(entry)(count, arguments);
}
