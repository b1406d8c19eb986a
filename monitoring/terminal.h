// Where progress is shown: the terminal behind standard error, if there is one.
#pragma once

#include "base/descriptor.h"

namespace elbow {

// The terminal that what this process writes to stderr appears on: stderr itself, or the standard
// error of the MPI launcher that started the process on this machine and passes its output on.
// A dumb terminal (TERM) counts as none.
class Terminal {
 public:
  Terminal();

  bool found() const { return fd_ >= 0; }
  // Columns at this moment; 80 where the terminal does not say.
  int width() const;
  // Whether it wraps long lines anew when it becomes narrower, as those of desktops and tmux do.
  // xterm, rxvt, st and screen cut them instead, as far as the environment tells.
  bool rewraps() const;

 private:
  Descriptor opened_;
  int fd_ = -1;  // of opened_, or this process's standard error
};

// Whether the locale in the environment (LC_ALL, LC_CTYPE, LANG) says UTF-8.
bool locale_is_utf8();

}  // namespace elbow
