#include "base/atomic_file.h"

#include <cerrno>
#include <fstream>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

namespace elbow {
namespace {

void sync_path(const std::filesystem::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) throw Error(fmt::format("cannot open {}: {}", path.string(), errno_text(errno)));
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  // Some network file systems cannot flush a folder, and say EINVAL.
  if (result != 0 && error != EINVAL) {
    throw Error(fmt::format("cannot flush {} to disk: {}", path.string(), errno_text(error)));
  }
}

// Errors name `path`, which the user knows, and not its temporary name.
void write_whole(const std::filesystem::path& temporary, const std::filesystem::path& path,
                 std::string_view text) {
  auto refuse = [&](int error) {
    throw Error(fmt::format("cannot write {}: {}", path.string(), errno_text(error)));
  };
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) refuse(errno);
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      ::close(fd);
      refuse(error);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::close(fd) != 0) refuse(errno);
}

}  // namespace

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  return path.string() + fmt::format(".tmp-{}", ::getpid());
}

void publish_file(const std::filesystem::path& temporary, const std::filesystem::path& path) {
  sync_path(temporary, O_RDONLY);
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) {
    throw Error(fmt::format("cannot rename {} to {}: {}", temporary.string(), path.string(),
                            error.message()));
  }
  const auto folder = path.parent_path();
  sync_path(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  const auto temporary = temporary_name(path);
  try {
    write_whole(temporary, path, text);
    publish_file(temporary, path);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

std::string read_file(const std::filesystem::path& path, std::size_t limit) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::is_regular_file(status)) {
    const auto kind = status.type();
    throw Error(fmt::format("cannot read {}: {}", path.string(),
                            kind == std::filesystem::file_type::not_found ? "no such file"
                            : kind == std::filesystem::file_type::none    ? error.message()
                                                                          : "not a regular file"));
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error) throw Error(fmt::format("cannot read {}: {}", path.string(), error.message()));
  if (size > limit) {
    throw Error(fmt::format("{} has {}, more than the {} such a file may have", path.string(),
                            human_bytes(static_cast<double>(size)),
                            human_bytes(static_cast<double>(limit))));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(size, '\0');
  file.read(text.data(), static_cast<std::streamsize>(size));
  if (!file) {
    throw Error(
        fmt::format("cannot read {}: {}", path.string(),
                    file.eof() ? "it became shorter while it was read" : errno_text(errno)));
  }
  return text;
}

}  // namespace elbow
