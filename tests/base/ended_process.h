// Processes that have ended, for those who must notice.
#pragma once

#include <stdexcept>

#include <sys/wait.h>
#include <unistd.h>

#include "base/process_identity.h"

namespace elbow::test {

// A child that has ended and that nobody has waited for yet.
class Zombie {
 public:
  Zombie() : child_(::fork()) {
    if (child_ == 0) ::_exit(0);
    siginfo_t info{};
    if (child_ < 0 || ::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOWAIT) != 0) {
      throw std::runtime_error("no child");
    }
  }
  ~Zombie() { ::waitpid(child_, nullptr, 0); }
  Zombie(const Zombie&) = delete;
  Zombie& operator=(const Zombie&) = delete;

  ProcessIdentity identity() const { return identity_of(child_); }

 private:
  pid_t child_;
};

inline ProcessIdentity ended_process() { return Zombie().identity(); }

}  // namespace elbow::test
