/* Preloaded into the program: while the file named by SLOW_WHILE is there, each read of an HDF5
 * file takes SLOW_MS milliseconds longer, as from a slow disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int is_data(int fd) {
  char link[64];
  char path[4200];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  return length > 3 && memcmp(path + length - 3, ".h5", 3) == 0;
}

static void wait_as_a_slow_disk(int fd) {
  const char* while_there = getenv("SLOW_WHILE");
  const char* milliseconds = getenv("SLOW_MS");
  if (while_there == NULL || milliseconds == NULL || access(while_there, F_OK) != 0) return;
  if (!is_data(fd)) return;
  const long span = atol(milliseconds);
  struct timespec left = {span / 1000, span % 1000 * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

#define PREAD(name)                                               \
  ssize_t name(int fd, void* bytes, size_t count, off_t offset) { \
    static ssize_t (*real)(int, void*, size_t, off_t) = NULL;     \
    if (real == NULL) *(void**)&real = dlsym(RTLD_NEXT, #name);   \
    if (real == NULL) abort();                                    \
    wait_as_a_slow_disk(fd);                                      \
    return real(fd, bytes, count, offset);                        \
  }

PREAD(pread)
PREAD(pread64)
