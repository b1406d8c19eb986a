// Files to be read that somebody else has made, or only named.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "base/descriptor.h"
#include "base/error.h"

namespace elbow {

// A regular file, or a link to one, open for reading. A pipe or a device is refused rather than
// waited for: it may have no writer, and no end.
class InputFile {
 public:
  // Throws Error "cannot read PATH: ...": no such file, a folder, no permission, no regular file.
  explicit InputFile(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  int descriptor() const { return file_.get(); }
  std::uint64_t size() const;  // now

  // Fills `out` from byte `offset` on. Throws Error naming the path, also where the file ends
  // before.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  Descriptor file_;
};

// Does `action`, whose errors become those of the kind of thing that is read: a DataError of a data
// file, a CheckpointError of a file in a run directory.
template <typename Kind, typename Action>
auto errors_as(Action action) {
  try {
    return action();
  } catch (const Error& error) {
    throw Kind(error.what());
  }
}

}  // namespace elbow
