#include "base/child_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <new>
#include <string_view>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/log.h"
#include "base/text.h"

namespace elbow {
namespace {

// First letter of what a child says when it has ended.
constexpr char kDone = 'd';
constexpr char kThrew = 't';
constexpr char kNoMemory = 'm';

constexpr std::size_t kLongestError = 32 << 10;  // bytes; less than a pipe holds

std::int64_t mapped_bytes() {
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

void set_limit(decltype(RLIMIT_AS) resource, std::int64_t value) {
  rlimit limit{};
  ::getrlimit(resource, &limit);
  const auto wanted = static_cast<rlim_t>(value);
  if (limit.rlim_cur == RLIM_INFINITY || wanted < limit.rlim_cur) limit.rlim_cur = wanted;
  ::setrlimit(resource, &limit);
}

// Handlers of the parent's would have their own ideas of what to do, and print; a parent that is
// killed takes the child with it.
void prepare_child(std::int64_t mapped, const ChildLimits& limits) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU, SIGALRM, SIGTERM,
                           SIGINT, SIGUSR1, SIGUSR2}) {
    std::signal(number, SIG_DFL);
  }
  log::set_level(log::Level::kError);
  if (const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC); nowhere >= 0) {
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
  }
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_AS, mapped + limits.memory);
  set_limit(RLIMIT_CPU, limits.seconds);
  ::alarm(10 * static_cast<unsigned>(limits.seconds));
}

std::string end_of(const std::function<void()>& work) {
  try {
    work();
    return {kDone};
  } catch (const std::bad_alloc&) {
    return {kNoMemory};
  } catch (const std::exception& error) {
    return kThrew + std::string(error.what()).substr(0, kLongestError);
  }
}

void write_all(int to, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(to, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string read_all(int from) {
  std::string text;
  std::array<char, 4096> piece{};
  for (;;) {
    const ssize_t got = ::read(from, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return 0;  // where children are not waited for, the system forgets them
  }
  return status;
}

std::string death_of(int status, const ChildLimits& limits) {
  if (!WIFSIGNALED(status)) return "ended unexpectedly";
  const int number = WTERMSIG(status);
  if (number == SIGXCPU || number == SIGALRM) {
    return fmt::format("did not come to an end in {} s", limits.seconds);
  }
  return fmt::format("crashed ({})", ::strsignal(number));
}

}  // namespace

ChildEnd run_in_child(const std::function<void()>& work, const ChildLimits& limits) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  const Descriptor from_child(ends[0]);
  Descriptor to_parent(ends[1]);
  const std::int64_t mapped = mapped_bytes();
  const pid_t child = ::fork();
  if (child < 0) return {};
  if (child == 0) {
    prepare_child(mapped, limits);
    write_all(to_parent.get(), end_of(work));
    ::_exit(0);
  }
  to_parent.reset();
  const std::string said = read_all(from_child.get());
  const int status = wait_for(child);
  if (said.empty()) return {"", death_of(status, limits)};
  if (said.front() == kNoMemory) {
    return {"", fmt::format("needed more than {} of memory",
                            human_bytes(static_cast<double>(limits.memory)))};
  }
  return {said.front() == kThrew ? said.substr(1) : "", ""};
}

}  // namespace elbow
