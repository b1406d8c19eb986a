// A process as others can recognise it later, whatever its number is given to by then.
#pragma once

#include <cstdint>
#include <string>

namespace elbow {

struct ProcessIdentity {
  std::string host;           // the machine's name
  std::string pid_namespace;  // "pid:[4026531836]": containers number their processes by themselves
  std::int64_t pid = 0;
  std::string started;  // clock ticks since the machine started; empty where /proc does not say
};

// Identifies a process on this machine, which may be a zombie.
ProcessIdentity identity_of(std::int64_t pid);
ProcessIdentity this_process();

// True only when it is certain: on this machine, in this namespace, and ended (a zombie has ended
// too) or its number given to another process.
bool is_gone(const ProcessIdentity& process);

}  // namespace elbow
