#include "base/atomic_file.h"

#include <cerrno>
#include <cstdint>
#include <span>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/input_file.h"
#include "base/temporary_files.h"
#include "base/text.h"

namespace elbow {
namespace {

void sync_path(const std::filesystem::path& path, int flags) {
  const Descriptor file(::open(path.c_str(), flags | O_CLOEXEC));
  if (!file.valid()) {
    throw Error(fmt::format("cannot open {}: {}", path.string(), errno_text(errno)));
  }
  // Some network file systems cannot flush a folder, and say EINVAL.
  if (::fsync(file.get()) != 0 && errno != EINVAL) {
    throw Error(fmt::format("cannot flush {} to disk: {}", path.string(), errno_text(errno)));
  }
}

void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) {
    throw Error(
        fmt::format("cannot rename {} to {}: {}", from.string(), to.string(), error.message()));
  }
  sync_folder(to.parent_path());
}

}  // namespace

NewFile::NewFile(std::filesystem::path path, std::filesystem::path name)
    : path_(std::move(path)),
      name_(name.empty() ? path_ : std::move(name)),
      file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (!file_.valid()) fail(errno);
}

NewFile::~NewFile() {
  if (!file_.valid()) return;
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

void NewFile::fail(int error_number) {
  throw Error(fmt::format("cannot write {}: {}", name_.string(), errno_text(error_number)));
}

void NewFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void NewFile::finish() {
  // Some network file systems report what they could not store only here.
  if (::fsync(file_.get()) != 0) fail(errno);
  if (::close(file_.release()) != 0) {
    const int error = errno;
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
    fail(error);
  }
}

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  return path.string() + temporary_ending();
}

void publish_file(const std::filesystem::path& temporary, const std::filesystem::path& path) {
  sync_path(temporary, O_RDONLY);
  rename_durably(temporary, path);
}

void write_atomically(const std::filesystem::path& path,
                      const std::function<void(NewFile&)>& content) {
  remove_abandoned(path);
  const auto temporary = temporary_name(path);
  NewFile file(temporary, path);
  content(file);
  file.finish();
  try {
    rename_durably(temporary, path);
  } catch (const Error&) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

void sync_folder(const std::filesystem::path& folder) {
  sync_path(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  write_atomically(path, [&](NewFile& file) { file.write(text); });
}

std::string read_file(const std::filesystem::path& path, std::size_t limit) {
  const InputFile file(path);
  const std::uint64_t size = file.size();
  if (size > limit) {
    throw Error(fmt::format("{} has {}, more than the {} such a file may have", path.string(),
                            human_bytes(static_cast<double>(size)),
                            human_bytes(static_cast<double>(limit))));
  }
  std::string text(size, '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace elbow
