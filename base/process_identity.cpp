#include "base/process_identity.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include <unistd.h>

namespace elbow {
namespace {

struct ProcessStatus {
  char state = '?';
  std::string started;
};

// From /proc/PID/stat (see proc(5)), whose second field, the name in brackets, may hold anything.
ProcessStatus status_of(std::int64_t pid) {
  constexpr int kFieldsToStart = 19;  // from the third, the state, to the 22nd
  std::string line;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), line);
  const std::size_t bracket = line.rfind(')');
  if (bracket == std::string::npos) return {};
  std::istringstream fields(line.substr(bracket + 1));
  ProcessStatus status;
  fields >> status.state;
  for (int i = 0; i < kFieldsToStart; ++i) fields >> status.started;
  return fields ? status : ProcessStatus{};
}

}  // namespace

ProcessIdentity identity_of(std::int64_t pid) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::error_code ignored;
  const auto space = std::filesystem::read_symlink("/proc/self/ns/pid", ignored);
  return {host.data(), space.string(), pid, status_of(pid).started};
}

ProcessIdentity this_process() { return identity_of(::getpid()); }

bool is_gone(const ProcessIdentity& process) {
  const ProcessIdentity self = this_process();
  if (process.host != self.host || process.pid_namespace != self.pid_namespace) return false;
  // 0 and negative numbers mean groups of processes to kill.
  if (process.pid < 1 || process.pid > std::numeric_limits<pid_t>::max()) return false;
  if (::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH) return true;
  // Another user's process may be hidden in /proc: then it says nothing.
  const ProcessStatus status = status_of(process.pid);
  if (status.state == 'Z' || status.state == 'X') return true;
  return !status.started.empty() && !process.started.empty() && status.started != process.started;
}

}  // namespace elbow
