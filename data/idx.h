// The IDX format of MNIST and its kin, plain or compressed with gzip, into HDF5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/input_file.h"

namespace elbow {

// An IDX file of unsigned bytes, read front to back. A plain file is streamed; a compressed one is
// unpacked in memory, after its header has said how much that takes.
class IdxFile {
 public:
  // Throws DataError naming the file: missing, not IDX, not unsigned bytes, damaged, shorter or
  // longer than its header says.
  explicit IdxFile(const std::string& file);

  const std::string& file() const { return file_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }  // N first
  std::int64_t row_bytes() const;
  // The next values, to the end of `out`.
  void read(std::span<std::byte> out);

 private:
  void open_plain();
  void open_compressed();
  void read_at(std::uint64_t offset, std::span<std::byte> out) const;  // of a plain file

  std::string file_;
  std::vector<std::int64_t> shape_;
  std::optional<InputFile> plain_;   // where it is not compressed
  std::vector<std::byte> unpacked_;  // where it is
  std::uint64_t position_ = 0;       // of the next value, in either
};

struct IdxImport {
  std::string images;
  std::string labels;  // may be empty
  std::filesystem::path output;
  std::string split = "train";  // the group to write
  bool replace = false;         // a group that is there already
};

struct Imported {
  std::string path;  // "/train/images"
  std::vector<std::int64_t> shape;
};

// Writes /SPLIT/images and /SPLIT/labels, contiguous bytes, into `output`, beside what it holds.
// The file is made under a temporary name, closed, read back, flushed to disk and renamed; on
// failure the old one is as it was and nothing else is left. Throws DataError.
std::vector<Imported> import_idx(const IdxImport& import);

}  // namespace elbow
