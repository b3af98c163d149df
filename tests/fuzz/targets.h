// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "tensor/tensor.h"
#include "vila/error.h"

namespace vila::test {

using Bytes = std::span<const std::byte>;

/// A reader of files that others wrote. `run` gives it any bytes: it may refuse them by an Error,
/// and do nothing else that a caller would not expect.
struct FuzzTarget {
  const char* name;  // of the folder of its corpus
  void (*run)(Bytes bytes);
};

/// All of them.
std::span<const FuzzTarget> fuzz_targets();

// In fuzz_<layer>.cc.
void fuzz_json(Bytes bytes);
void fuzz_safetensors(Bytes bytes);
void fuzz_torch(Bytes bytes);
void fuzz_pickle(Bytes bytes);
void fuzz_gguf(Bytes bytes);
void fuzz_mmproj(Bytes bytes);
void fuzz_vila(Bytes bytes);
void fuzz_tokenizer(Bytes bytes);
void fuzz_image(Bytes bytes);
void fuzz_row(Bytes bytes);
void fuzz_config(Bytes bytes);
void fuzz_listing(Bytes bytes);

/// A file in memory, for readers that take a path. An owner.
class MemoryFile {
 public:
  explicit MemoryFile(Bytes bytes);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path path() const;

 private:
  int descriptor_;
};

/// Reads every byte of a tensor, so that one that lies about its memory is found.
void touch(const Tensor& tensor);

/// Runs `body`; refusing its input is what it may do.
template <typename Body>
void let_refuse(const Body& body) {
  try {
    body();
  } catch (const Error&) {  // NOLINT: any Error is an answer
  }
}

inline std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace vila::test
