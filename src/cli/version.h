// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace vila::cli {

/// What --version prints: version, commit, compiler, CPU, its features, the chosen kernels.
std::string version_text();

}  // namespace vila::cli
