#include "monitoring/terminal.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace elbow {
namespace {

constexpr int kUsualWidth = 80;

bool terminal_is_able() {
  const char* term = std::getenv("TERM");
  return term != nullptr && *term != '\0' && std::string(term) != "dumb";
}

// The launcher's standard error, opened anew, where it is a terminal. A launcher hands its ranks a
// pipe and copies what it reads from it, byte for byte, to its own standard error. Anything else
// that is our parent (a shell, say) proves nothing about where our pipe ends.
Descriptor open_launcher_stderr() {
  struct stat status {};
  if (::fstat(STDERR_FILENO, &status) != 0 || !S_ISFIFO(status.st_mode)) return Descriptor();
  const std::string parent = "/proc/" + std::to_string(::getppid());
  std::string name;
  std::getline(std::ifstream(parent + "/comm"), name);
  constexpr std::array<const char*, 5> kLaunchers = {"mpirun", "mpiexec", "orterun", "prterun",
                                                     "prte"};
  if (std::find(kLaunchers.begin(), kLaunchers.end(), name) == kLaunchers.end()) {
    return Descriptor();
  }
  Descriptor opened(
      ::open((parent + "/fd/2").c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (opened.valid() && ::isatty(opened.get()) == 0) opened.reset();
  return opened;
}

}  // namespace

Terminal::Terminal() {
  if (!terminal_is_able()) return;
  if (::isatty(STDERR_FILENO) != 0) {
    fd_ = STDERR_FILENO;
    return;
  }
  opened_ = open_launcher_stderr();
  fd_ = opened_.get();
}

int Terminal::width() const {
  winsize size{};
  if (fd_ < 0 || ::ioctl(fd_, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsualWidth;
  return size.ws_col;
}

bool Terminal::rewraps() const {
  if (!found() || std::getenv("XTERM_VERSION") != nullptr) return false;
  const std::string term = std::getenv("TERM");
  if (term.starts_with("screen")) return std::getenv("TMUX") != nullptr;
  return !term.starts_with("rxvt") && !term.starts_with("st-") && term != "st" && term != "linux";
}

bool locale_is_utf8() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') continue;
    std::string locale(value);
    std::transform(locale.begin(), locale.end(), locale.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return locale.ends_with("utf-8") || locale.ends_with("utf8") ||
           locale.find("utf-8@") != std::string::npos || locale.find("utf8@") != std::string::npos;
  }
  return false;
}

}  // namespace elbow
