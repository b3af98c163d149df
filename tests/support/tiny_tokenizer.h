// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace vila::test {

/// Trains a small Llama-like SentencePiece model (byte fallback, no normalisation, <unk> <s> </s>
/// as 0 1 2, under 400 pieces) on a few English sentences and writes it as
/// `folder`/tokenizer.model.
void write_tiny_tokenizer(const std::filesystem::path& folder);

}  // namespace vila::test
