/* Preloaded into the program: counts its calls that change files under one folder, and at one of
 * them kills the process or has the call fail, as a crash or a bad disk would.
 *
 *   FAULT_UNDER=FOLDER   absolute, without links; nothing happens without it
 *   FAULT_RANK=R         only in this rank of an MPI job; every process when it is missing
 *   FAULT_AT=N           the call that fails, counted from 1
 *   FAULT_CALL="CALL PATH"   only calls count that FAULT_LIST would name so, or so and more
 *   FAULT_KIND=...       kill-before, kill-after: SIGKILL before or after the call
 *                        half: SIGKILL after half of the bytes of a write
 *                        stop: SIGSTOP before the call
 *                        ENOSPC, EIO: the call does nothing and returns the error
 *                        full: from call N on nothing can be created or written any more
 *   FAULT_LIST=FILE      a line "N CALL PATH" is appended for each call
 *   FAULT_HIT=FILE       the line of the call that failed
 *   FAULT_PACE=MS        pause after each write to metrics.jsonl: the steps then are slower than
 *                        the checkpoints, and the calls come in the same order every time
 *   FAULT_SLOW=MS        pause before each call under .../checkpoints
 *   FAULT_FREE=BYTES     what the disk of the folder is said to have left
 *   FAULT_NO_LOCKS=1     file locks are granted to everybody, as where those of another host are
 *                        not seen
 *   FAULT_LOCK_ERROR=N   asking for one fails with this number, as where there are none
 *
 * Counted: open for writing, write, fsync, close of what was open for writing, ftruncate, rename,
 * unlink, rmdir, mkdir, in all their forms. What the C library calls by itself (fopen: the log) is
 * not seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 4200 };

static struct {
  int active;
  const char* under;
  size_t under_length;
  long at;
  const char* call;
  const char* kind;
  const char* list;
  const char* hit;
  long pace;
  long slow;
} settings;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long calls = 0;

static long number(const char* variable) {
  const char* text = getenv(variable);
  return text != NULL ? atol(text) : 0;
}

static void read_settings(void) {
  settings.under = getenv("FAULT_UNDER");
  if (settings.under == NULL || settings.under[0] != '/') return;
  const char* wanted = getenv("FAULT_RANK");
  const char* rank = getenv("OMPI_COMM_WORLD_RANK");
  if (rank == NULL) rank = getenv("PMIX_RANK");
  if (wanted != NULL && strcmp(wanted, rank != NULL ? rank : "0") != 0) return;
  settings.under_length = strlen(settings.under);
  settings.at = number("FAULT_AT");
  settings.call = getenv("FAULT_CALL");
  settings.kind = getenv("FAULT_KIND") != NULL ? getenv("FAULT_KIND") : "";
  settings.list = getenv("FAULT_LIST");
  settings.hit = getenv("FAULT_HIT");
  settings.pace = number("FAULT_PACE");
  settings.slow = number("FAULT_SLOW");
  settings.active = 1;
}

static int active(void) {
  pthread_once(&once, read_settings);
  return settings.active;
}

static void pause_for(long milliseconds) {
  struct timespec span = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  while (milliseconds > 0 && nanosleep(&span, &span) != 0 && errno == EINTR) continue;
}

static void append_line(const char* file, const char* line) {
  if (file == NULL) return;
  const int fd =
      (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return;
  if (syscall(SYS_write, fd, line, strlen(line)) < 0) abort();
  syscall(SYS_close, fd);
}

/* The path behind a descriptor. */
static int path_of(int fd, char* path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, PATH_SIZE - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return 1;
}

static int absolute(int folder, const char* name, char* path) {
  if (name == NULL) return 0;
  if (name[0] == '/') {
    path[0] = '\0';
  } else if (folder == AT_FDCWD ? getcwd(path, PATH_SIZE) == NULL : !path_of(folder, path)) {
    return 0;
  } else {
    strncat(path, "/", PATH_SIZE - strlen(path) - 1);
  }
  strncat(path, name, PATH_SIZE - strlen(path) - 1);
  return 1;
}

static int is_under(const char* path) {
  return strncmp(path, settings.under, settings.under_length) == 0 &&
         (path[settings.under_length] == '/' || path[settings.under_length] == '\0');
}

/* What the call at hand is to do. */
enum Verdict { GO, KILL_AFTER, HALF, SHORT, FAIL };

static void die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

static int is_kind(const char* kind) { return strcmp(settings.kind, kind) == 0; }

/* Counts a call. `grows`: it needs room on the disk. With FAIL, errno is set. */
static enum Verdict judge(const char* call, const char* path, int grows) {
  if (settings.slow > 0 && strstr(path, "/checkpoints") != NULL) pause_for(settings.slow);
  char line[PATH_SIZE + 64];
  const char* below = path + settings.under_length;
  if (*below == '/') ++below;
  snprintf(line, sizeof line, "%s %s", call, *below != '\0' ? below : ".");
  if (settings.call != NULL && strncmp(settings.call, line, strlen(settings.call)) != 0) return GO;
  pthread_mutex_lock(&mutex);
  const long mine = ++calls;
  snprintf(line, sizeof line, "%ld %s %s\n", mine, call, *below != '\0' ? below : ".");
  append_line(settings.list, line);
  const int hit = mine == settings.at;
  const int full = is_kind("full") && settings.at > 0 && mine >= settings.at && grows;
  enum Verdict verdict = GO;
  if (hit || full) append_line(settings.hit, line);
  if (hit && is_kind("kill-before")) die();
  if (hit && is_kind("kill-after")) verdict = KILL_AFTER;
  if (hit && is_kind("half")) verdict = HALF;
  if (hit && (is_kind("ENOSPC") || is_kind("EIO"))) verdict = FAIL;
  if (full) verdict = hit && strcmp(call, "write") == 0 ? SHORT : FAIL;
  pthread_mutex_unlock(&mutex);
  if (hit && is_kind("stop")) syscall(SYS_kill, getpid(), SIGSTOP);
  errno = is_kind("EIO") ? EIO : ENOSPC;
  return verdict;
}

#define REAL(result, name, ...)                               \
  static result (*real)(__VA_ARGS__) = NULL;                  \
  if (real == NULL) *(void**)&real = dlsym(RTLD_NEXT, #name); \
  if (real == NULL) abort()

/* A call whose result is `result`, judged first. */
#define JUDGED(call, path, grows, result)                     \
  do {                                                        \
    const enum Verdict verdict = judge(call, path, grows);    \
    if (verdict == FAIL) return -1;                           \
    if (verdict == HALF && strcmp(call, "write") != 0) die(); \
    const __typeof__(result) outcome = result;                \
    const int error = errno;                                  \
    if (verdict == KILL_AFTER) die();                         \
    errno = error;                                            \
    return outcome;                                           \
  } while (0)

static int for_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT); }

#define OPEN(name, folder, parameters, types, arguments)                                        \
  int name parameters {                                                                         \
    REAL(int, name, types);                                                                     \
    mode_t mode = 0;                                                                            \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                        \
      va_list list;                                                                             \
      va_start(list, flags);                                                                    \
      mode = va_arg(list, mode_t);                                                              \
      va_end(list);                                                                             \
    }                                                                                           \
    char path[PATH_SIZE];                                                                       \
    if (!active() || !for_writing(flags) || !absolute(folder, file, path) || !is_under(path)) { \
      return real arguments;                                                                    \
    }                                                                                           \
    JUDGED("open", path, (flags & O_CREAT) != 0, real arguments);                               \
  }

#define PLAIN const char*, int, ...
#define FROM_FOLDER int, const char*, int, ...
OPEN(open, AT_FDCWD, (const char* file, int flags, ...), PLAIN, (file, flags, mode))
OPEN(open64, AT_FDCWD, (const char* file, int flags, ...), PLAIN, (file, flags, mode))
OPEN(openat, folder, (int folder, const char* file, int flags, ...), FROM_FOLDER,
     (folder, file, flags, mode))
OPEN(openat64, folder, (int folder, const char* file, int flags, ...), FROM_FOLDER,
     (folder, file, flags, mode))

int creat(const char* file, mode_t mode) { return open(file, O_WRONLY | O_CREAT | O_TRUNC, mode); }
int creat64(const char* file, mode_t mode) {
  return open64(file, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

/* Whether a descriptor is a file under the folder. */
static int ours(int fd, char* path) { return active() && path_of(fd, path) && is_under(path); }

static void keep_pace(const char* path) {
  static const char name[] = "/metrics.jsonl";
  const size_t length = strlen(path);
  if (length >= sizeof name && strcmp(path + length - (sizeof name - 1), name) == 0) {
    pause_for(settings.pace);
  }
}

/* All writes: `half` writes the first half of the bytes and returns their number. */
#define WRITE(arguments, half)                            \
  do {                                                    \
    char path[PATH_SIZE];                                 \
    if (!ours(fd, path)) return real arguments;           \
    const enum Verdict verdict = judge("write", path, 1); \
    if (verdict == FAIL) return -1;                       \
    if (verdict == HALF || verdict == SHORT) {            \
      const ssize_t done = half;                          \
      if (verdict == HALF) die();                         \
      return done;                                        \
    }                                                     \
    const ssize_t done = real arguments;                  \
    if (verdict == KILL_AFTER) die();                     \
    const int error = errno;                              \
    keep_pace(path);                                      \
    errno = error;                                        \
    return done;                                          \
  } while (0)

ssize_t write(int fd, const void* bytes, size_t count) {
  REAL(ssize_t, write, int, const void*, size_t);
  WRITE((fd, bytes, count), real(fd, bytes, (count + 1) / 2));
}

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  REAL(ssize_t, pwrite, int, const void*, size_t, off_t);
  WRITE((fd, bytes, count, offset), real(fd, bytes, (count + 1) / 2, offset));
}

ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
  REAL(ssize_t, pwrite64, int, const void*, size_t, off64_t);
  WRITE((fd, bytes, count, offset), real(fd, bytes, (count + 1) / 2, offset));
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  REAL(ssize_t, writev, int, const struct iovec*, int);
  WRITE((fd, parts, count),
        (ssize_t)syscall(SYS_write, fd, parts[0].iov_base, (parts[0].iov_len + 1) / 2));
}

#define ON_FILE(result, name, call, grows, parameters, types, arguments) \
  result name parameters {                                               \
    REAL(result, name, types);                                           \
    char path[PATH_SIZE];                                                \
    if (!ours(fd, path)) return real arguments;                          \
    JUDGED(call, path, grows, real arguments);                           \
  }

#define LENGTH int, off_t
ON_FILE(int, fsync, "fsync", 1, (int fd), int, (fd))
ON_FILE(int, fdatasync, "fsync", 1, (int fd), int, (fd))
ON_FILE(int, ftruncate, "ftruncate", 0, (int fd, off_t size), LENGTH, (fd, size))
ON_FILE(int, ftruncate64, "ftruncate", 0, (int fd, off64_t size), LENGTH, (fd, size))

/* The kernel closes a descriptor even where close() fails. */
int close(int fd) {
  REAL(int, close, int);
  char path[PATH_SIZE];
  if (!active()) return real(fd);
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || !ours(fd, path)) return real(fd);
  const enum Verdict verdict = judge("close", path, 0);
  const int reported = errno;
  if (verdict == HALF) die();
  const int outcome = real(fd);
  if (verdict == KILL_AFTER) die();
  if (verdict != FAIL) return outcome;
  errno = reported;
  return -1;
}

#define ON_NAME(name, call, grows, folder, parameters, types, arguments) \
  int name parameters {                                                  \
    REAL(int, name, types);                                              \
    char path[PATH_SIZE];                                                \
    if (!active() || !absolute(folder, file, path) || !is_under(path)) { \
      return real arguments;                                             \
    }                                                                    \
    JUDGED(call, path, grows, real arguments);                           \
  }

#define NAME const char*
#define NAME_MODE const char*, mode_t
#define FOLDER_NAME_MODE int, const char*, mode_t
#define FOLDER_NAME_FLAGS int, const char*, int
#define NAME_NAME const char*, const char*
#define TWO_FOLDERS int, const char*, int, const char*
ON_NAME(unlink, "unlink", 0, AT_FDCWD, (const char* file), NAME, (file))
ON_NAME(rmdir, "rmdir", 0, AT_FDCWD, (const char* file), NAME, (file))
ON_NAME(remove, "unlink", 0, AT_FDCWD, (const char* file), NAME, (file))
ON_NAME(mkdir, "mkdir", 1, AT_FDCWD, (const char* file, mode_t mode), NAME_MODE, (file, mode))
ON_NAME(mkdirat, "mkdir", 1, folder, (int folder, const char* file, mode_t mode), FOLDER_NAME_MODE,
        (folder, file, mode))
ON_NAME(unlinkat, "unlink", 0, folder, (int folder, const char* file, int flags), FOLDER_NAME_FLAGS,
        (folder, file, flags))
ON_NAME(rename, "rename", 0, AT_FDCWD, (const char* file, const char* to), NAME_NAME, (file, to))
ON_NAME(renameat, "rename", 0, folder,
        (int folder, const char* file, int to_folder, const char* to), TWO_FOLDERS,
        (folder, file, to_folder, to))

/* The folder may not be there yet: then its parent is asked. */
int statvfs(const char* file, struct statvfs* space) {
  REAL(int, statvfs, const char*, struct statvfs*);
  const int outcome = real(file, space);
  const char* const free = getenv("FAULT_FREE");
  char path[PATH_SIZE];
  if (outcome != 0 || !active() || free == NULL || !absolute(AT_FDCWD, file, path)) return outcome;
  const size_t length = strlen(path);
  const int parent = strncmp(settings.under, path, length) == 0 && settings.under[length] == '/';
  if (is_under(path) || parent) {
    space->f_frsize = 1;
    space->f_bavail = (fsblkcnt_t)strtoull(free, NULL, 10);
  }
  return outcome;
}

int flock(int fd, int operation) {
  REAL(int, flock, int, int);
  const int error = active() ? (int)number("FAULT_LOCK_ERROR") : 0;
  if (error != 0) {
    errno = error;
    return -1;
  }
  return active() && number("FAULT_NO_LOCKS") != 0 ? 0 : real(fd, operation);
}
