// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vila::hub {

/// A file of a repository at one commit.
struct RemoteFile {
  std::string path;              // relative, '/' between its steps
  std::optional<uint64_t> size;  // where the listing says so
  std::string etag;              // SHA-256 (Git LFS) or git's object id; "" where it does not
};

/// What a repository holds at the commit that a revision stands for.
struct Listing {
  std::string commit;
  std::vector<RemoteFile> files;
};

/// Reads the answer of GET /api/models/ORG/NAME/revision/REVISION?blobs=true. Since its paths and
/// names become paths and names here, those that could lead out of a folder are refused.
/// @param source  named in messages
/// @throws Error{network} when it is no such answer.
Listing read_listing(const std::string& json, const std::string& source);

/// Whether `path` stays inside the folder it is relative to: no empty, "." or ".." step,
/// no root, no backslash, no control character.
bool is_inside_path(std::string_view path) noexcept;

/// Whether it may be the name of a blob: letters, digits, '.', '_', '-', not starting with '.'.
bool is_blob_name(std::string_view name) noexcept;

/// Keeps what a VILA, a tower, an adapter or a GGUF model needs: configs, tokenizers, licences and
/// weights. Left out are weights that stand there a second time (.bin beside .safetensors, the
/// folder of the original format), and states of optimisers and training runs.
/// @param patterns  where not empty: shell patterns; exactly the files that match one are kept
/// @throws Error{invalid_argument} when nothing is left, or when only several GGUF files of one
/// model are there and no pattern says which.
std::vector<RemoteFile> choose_files(std::vector<RemoteFile> files,
                                     const std::vector<std::string>& patterns,
                                     const std::string& repository);

}  // namespace vila::hub
