#include "monitoring/terminal.h"

#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace elbow {
namespace {

// A pseudo-terminal in the place of stderr, and TERM, while it lives.
class FakeTerminal {
 public:
  explicit FakeTerminal(const char* term) {
    ::setenv("TERM", term, 1);
    controller_ = ::posix_openpt(O_RDWR | O_NOCTTY);
    ::grantpt(controller_);
    ::unlockpt(controller_);
    const int terminal = ::open(::ptsname(controller_), O_RDWR | O_NOCTTY);
    before_ = ::dup(STDERR_FILENO);
    ::dup2(terminal, STDERR_FILENO);
    ::close(terminal);
  }
  ~FakeTerminal() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
    ::close(controller_);
  }
  FakeTerminal(const FakeTerminal&) = delete;
  FakeTerminal& operator=(const FakeTerminal&) = delete;

  void resize(unsigned short columns) const {
    winsize size{};
    size.ws_col = columns;
    ::ioctl(controller_, TIOCSWINSZ, &size);
  }

 private:
  int controller_ = -1;
  int before_ = -1;
};

TEST(Terminal, WidthFollowsTheTerminal) {
  const FakeTerminal fake("xterm");
  const Terminal terminal;
  ASSERT_TRUE(terminal.found());
  EXPECT_EQ(terminal.width(), 80);  // a terminal that says 0
  fake.resize(132);
  EXPECT_EQ(terminal.width(), 132);
  fake.resize(40);
  EXPECT_EQ(terminal.width(), 40);
}

TEST(Terminal, ADumbOneIsNone) {
  for (const char* term : {"dumb", ""}) {
    const FakeTerminal fake(term);
    EXPECT_FALSE(Terminal().found()) << term;
  }
}

TEST(Terminal, SomeCutLongLinesInsteadOfWrappingThemAnew) {
  ::unsetenv("XTERM_VERSION");
  ::unsetenv("TMUX");
  const auto rewraps = [](const char* term) {
    const FakeTerminal fake(term);
    return Terminal().rewraps();
  };
  EXPECT_TRUE(rewraps("xterm-256color"));
  EXPECT_TRUE(rewraps("tmux-256color"));
  EXPECT_FALSE(rewraps("screen"));
  EXPECT_FALSE(rewraps("rxvt-unicode"));
  EXPECT_FALSE(rewraps("dumb"));
  ::setenv("TMUX", "/tmp/tmux-0/default,1,0", 1);
  EXPECT_TRUE(rewraps("screen-256color"));
  ::unsetenv("TMUX");
  ::setenv("XTERM_VERSION", "XTerm(379)", 1);
  EXPECT_FALSE(rewraps("xterm-256color"));
  ::unsetenv("XTERM_VERSION");
}

TEST(Terminal, AFileIsNone) {
  ::setenv("TERM", "xterm", 1);
  const int before = ::dup(STDERR_FILENO);
  const int file = ::open("/dev/null", O_WRONLY);
  ::dup2(file, STDERR_FILENO);
  const bool found = Terminal().found();
  ::dup2(before, STDERR_FILENO);
  ::close(file);
  ::close(before);
  EXPECT_FALSE(found);
}

// The parent of a test is no launcher, so wherever the pipe ends, it isn't known to be a terminal.
TEST(Terminal, APipeOfAnyoneButALauncherIsNone) {
  ::setenv("TERM", "xterm", 1);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const int before = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  const bool found = Terminal().found();
  ::dup2(before, STDERR_FILENO);
  for (const int fd : {ends[0], ends[1], before}) ::close(fd);
  EXPECT_FALSE(found);
}

TEST(Locale, FirstOfThreeVariablesDecides) {
  auto says = [](const char* all, const char* ctype, const char* lang) {
    ::setenv("LC_ALL", all, 1);
    ::setenv("LC_CTYPE", ctype, 1);
    ::setenv("LANG", lang, 1);
    return locale_is_utf8();
  };
  EXPECT_TRUE(says("", "", "en_US.UTF-8"));
  EXPECT_TRUE(says("C.utf8", "", ""));
  EXPECT_TRUE(says("", "", "sr_RS.UTF-8@latin"));
  EXPECT_FALSE(says("C", "", "en_US.UTF-8"));
  EXPECT_FALSE(says("", "POSIX", "en_US.UTF-8"));
  EXPECT_FALSE(says("", "", "en_US.ISO-8859-1"));
  EXPECT_FALSE(says("", "", ""));
}

}  // namespace
}  // namespace elbow
