// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <csignal>

#include <unistd.h>

#include "vila/error.h"

namespace vila::cli {
namespace {

// A signal handler can reach nothing but a global.
volatile std::sig_atomic_t interrupts = 0;

void count_interrupt(int) {
  if (interrupts > 0) _exit(exit_code(ErrorCode::cancelled));
  interrupts = 1;
}

void set_handler(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);  // no SA_RESTART: a read of the terminal must return
}

}  // namespace

InterruptGuard::InterruptGuard() {
  clear();
  set_handler(count_interrupt);
}

InterruptGuard::~InterruptGuard() {
  set_handler(SIG_DFL);
}

bool InterruptGuard::is_raised() const noexcept {
  return interrupts > 0;
}

void InterruptGuard::clear() noexcept {
  interrupts = 0;
}

}  // namespace vila::cli
