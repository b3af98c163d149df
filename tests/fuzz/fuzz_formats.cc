// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <vector>

#include <nlohmann/json.hpp>
#include <zlib.h>

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/gguf_text_model.h"
#include "formats/mmproj.h"
#include "formats/pickle.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"
#include "formats/vila_file.h"
#include "fuzz/targets.h"

namespace vila::test {

void fuzz_json(Bytes bytes) {
  let_refuse([&] { parse_json(text_of(bytes), "fuzz"); });
}

void fuzz_safetensors(Bytes bytes) {
  const MemoryFile file(bytes);
  let_refuse([&] {
    for (const auto& [name, tensor] : formats::read_safetensors(file.path()).tensors)
      touch(tensor);
  });
}

void fuzz_torch(Bytes bytes) {
  const MemoryFile file(bytes);
  let_refuse([&] {
    for (const auto& [name, tensor] : formats::read_torch_file(file.path()).tensors)
      touch(tensor);
  });
}

void fuzz_pickle(Bytes bytes) {
  constexpr std::string_view kGlobals[] = {"collections.OrderedDict", "torch.FloatStorage"};
  let_refuse([&] {
    formats::read_pickle(bytes, {.globals = kGlobals, .max_nodes = size_t{1} << 16}, "fuzz");
  });
}

void fuzz_gguf(Bytes bytes) {
  const MemoryFile file(bytes);
  let_refuse([&] {
    const formats::GgufFile gguf = formats::read_gguf(file.path());
    for (const auto& [name, tensor] : formats::import_gguf(gguf).tensors)
      touch(tensor);
  });
}

void fuzz_mmproj(Bytes bytes) {
  const MemoryFile file(bytes);
  let_refuse([&] {
    formats::ModelPackage package;
    package.parts[""];
    package.files["config.json"] = R"({"hidden_size": 8})";
    formats::attach_mmproj(formats::read_gguf(file.path()), package);
    for (const auto& [part, tensors] : package.parts) {
      for (const auto& [name, tensor] : tensors)
        touch(tensor);
    }
  });
}

void fuzz_vila(Bytes bytes) {
  // A wrong checksum of the header ends everything at once, so it is made right.
  constexpr size_t kChecksum = 12;
  constexpr size_t kLength = 16;
  constexpr size_t kHeader = 24;
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  uint64_t length = 0;
  if (copy.size() > kHeader) std::memcpy(&length, copy.data() + kLength, sizeof(length));
  if (length > 0 && length <= copy.size() - std::min(copy.size(), kHeader)) {
    const auto* header = reinterpret_cast<const Bytef*>(copy.data() + kHeader);
    const auto checksum = static_cast<uint32_t>(crc32_z(0, header, length));
    std::memcpy(copy.data() + kChecksum, &checksum, sizeof(checksum));
  }
  const MemoryFile file(copy);
  let_refuse([&] {
    for (const auto& [part, tensors] : formats::read_vila(file.path()).parts) {
      for (const auto& [name, tensor] : tensors)
        touch(tensor);
    }
  });
}

}  // namespace vila::test
