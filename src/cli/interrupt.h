// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace vila::cli {

/// While one lives, Ctrl-C raises a flag instead of ending the program; a second Ctrl-C before
/// clear() ends it with exit code 130. At most one at a time; an owner.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool is_raised() const noexcept;
  void clear() noexcept;
};

}  // namespace vila::cli
