#include "launch/cli/signals.h"

#include <array>
#include <csignal>

namespace elbow {
namespace {

constexpr std::array kStopSignals = {SIGINT, SIGTERM, SIGUSR1};

volatile std::sig_atomic_t stop_flag = 0;

void on_signal(int signal) {
  stop_flag = 1;
  if (signal == SIGINT) std::signal(SIGINT, SIG_DFL);
}

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kStopSignals) sigaddset(&set, signal);
  return set;
}

void hold_stop_signals() {
  const sigset_t set = stop_signals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
}

// What is here is called by the loader before the constructors of any library.
[[gnu::section(".preinit_array"), gnu::used]] void (*const hold_first)() = hold_stop_signals;

}  // namespace

void deliver_stop_signals() {
  const sigset_t set = stop_signals();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : kStopSignals) sigaction(signal, &action, nullptr);
}

bool stop_requested() { return stop_flag != 0; }

}  // namespace elbow
