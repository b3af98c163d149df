// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "formats/model_package.h"
#include "tensor/packed_matrix.h"

namespace vila::formats {

/// Whether the first bytes are those of a .vila file.
bool looks_like_vila(std::span<const std::byte> file) noexcept;

/// Maps a .vila file: one file that holds a whole model. Tensors and packed matrices are views of
/// the map, ready to run. The header's and all small files' checksums are compared, those of the
/// tensors in files of up to 256 MiB (and by check_vila()).
/// @throws Error{invalid_model} naming file and member; Error{not_found}. See docs/formats.md.
ModelPackage read_vila(const std::filesystem::path& path);

/// Compares every checksum. @throws as read_vila().
void check_vila(const std::filesystem::path& path);

/// Writes a .vila file member by member, so that no more than one is in memory. Each starts at a
/// multiple of 64 bytes. The file appears under its name at commit(), and only then. An owner
/// (neither copied nor moved); one thread.
class VilaWriter {
 public:
  /// @throws Error{insufficient_disk | failed}, as all of it does.
  explicit VilaWriter(const std::filesystem::path& path);
  ~VilaWriter();
  VilaWriter(const VilaWriter&) = delete;
  VilaWriter& operator=(const VilaWriter&) = delete;

  /// A config, a tokenizer or another small file, by its path in the model's folder.
  void add_file(const std::string& name, const std::string& content);
  /// A weight by its part ("" or the sub-folder it would stand in) and name ("….q_proj.weight").
  void add(const std::string& part, const std::string& name, const Tensor& tensor);
  void add(const std::string& part, const std::string& name, const PackedMatrix& matrix);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes all of a package. Quantised matrices are packed one at a time.
/// @throws Error{insufficient_disk | failed}; Error{invalid_model} of a matrix.
void write_vila(const std::filesystem::path& path, const ModelPackage& package);

}  // namespace vila::formats
