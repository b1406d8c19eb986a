#include "base/input_file.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

namespace elbow {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& reason) {
  throw Error(fmt::format("cannot read {}: {}", path.string(), reason));
}

std::string reason_of(int error_number) {
  if (error_number == ENOENT) return "no such file";
  if (error_number == EACCES) return "no permission to read it";
  // A socket, or a device without its driver.
  if (error_number == ENXIO || error_number == ENODEV) return "not a regular file";
  return errno_text(error_number);
}

}  // namespace

// Opening a pipe waits for its writer, unless told not to; on a regular file the flag has no
// effect.
InputFile::InputFile(std::filesystem::path path)
    : path_(std::move(path)),
      file_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {
  if (!file_.valid()) refuse(path_, reason_of(errno));
  struct stat status {};
  if (::fstat(file_.get(), &status) != 0) refuse(path_, errno_text(errno));
  if (S_ISDIR(status.st_mode)) refuse(path_, "it is a folder, not a regular file");
  if (!S_ISREG(status.st_mode)) {
    refuse(path_, "not a regular file but a pipe or a device; write its content into a file first");
  }
}

std::uint64_t InputFile::size() const {
  struct stat status {};
  if (::fstat(file_.get(), &status) != 0) refuse(path_, errno_text(errno));
  return static_cast<std::uint64_t>(status.st_size);
}

void InputFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(file_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(path_, errno_text(errno));
    if (got == 0) refuse(path_, "it became shorter while it was read");
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace elbow
