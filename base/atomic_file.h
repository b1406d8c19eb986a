// Files that are either whole or not there.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/descriptor.h"

namespace elbow {

// A file that is being made, where there may be one already: written piece by piece, then flushed
// to disk. Removed again unless it was finished. Throws Error naming `name`.
class NewFile {
 public:
  // `name`: what errors call it; the path when empty.
  explicit NewFile(std::filesystem::path path, std::filesystem::path name = {});
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(std::string_view bytes);
  void finish();  // fsync, close
  const std::filesystem::path& path() const { return path_; }

 private:
  [[noreturn]] void fail(int error_number);

  std::filesystem::path path_;
  std::filesystem::path name_;
  Descriptor file_;
};

// Writes a file through a function, atomically: readers see the old file or the new one. Throws
// Error naming the path; the old file is then as it was, and no temporary file is left.
void write_atomically(const std::filesystem::path& path,
                      const std::function<void(NewFile&)>& content);

// Something that writes as write_atomically() does, under conditions of its own.
using AtomicWrite =
    std::function<void(const std::filesystem::path&, const std::function<void(NewFile&)>&)>;

// fsync of a folder, after names in it have changed. Throws Error naming it.
void sync_folder(const std::filesystem::path& folder);

// The name under which a file is made before it is renamed into place.
std::filesystem::path temporary_name(const std::filesystem::path& path);

// fsync of `temporary`, rename to `path`, fsync of the folder. Throws Error naming the path, and
// then leaves the temporary file to the caller.
void publish_file(const std::filesystem::path& temporary, const std::filesystem::path& path);

// `text` becomes the whole content of `path`, as write_atomically does it.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// The whole of a file of at most `limit` bytes. Throws Error naming the path.
std::string read_file(const std::filesystem::path& path, std::size_t limit);

}  // namespace elbow
