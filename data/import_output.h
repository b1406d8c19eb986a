// Where an importer writes: one group of an HDF5 file, whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/hdf5.h"
#include "data/idx.h"  // Imported

namespace elbow {

// A good size of a chunk: large enough to read fast, small enough for many to be mixed at a time.
inline constexpr std::int64_t kImportedChunkBytes = 256 << 10;

// In place of a chunk's rows: unpacked, in one piece, which is read without the library.
inline constexpr std::int64_t kContiguous = -1;

enum class ImportedType { kUint8, kInt64, kFloat64 };

// The group is made in a copy of the file under a temporary name, read back, flushed to disk and
// renamed by publish(). Before that, and when anything fails, the file is as it was; the temporary
// one goes with this object.
class ImportOutput {
 public:
  // `group`: a plain name, "cars", given with `option`. Throws ConfigError for another, DataError
  // when `file` cannot be read, or holds the group and `replace` is false, and Error, as the other
  // functions do, when it cannot be written.
  ImportOutput(std::filesystem::path file, const std::string& group, bool replace,
               const std::string& option = "--group");
  ~ImportOutput();
  ImportOutput(const ImportOutput&) = delete;
  ImportOutput& operator=(const ImportOutput&) = delete;

  // Adds a data set of this shape, rows along the first axis, little-endian, in compressed chunks
  // of `chunk_rows` rows (0: about 256 KiB) or kContiguous; returns what write() calls it. Rows
  // that are written out of order should fill whole chunks, which are else packed twice.
  std::size_t add(const std::string& name, ImportedType type, std::vector<std::int64_t> shape,
                  std::int64_t chunk_rows = 0);

  // Whole rows from `first` on, in this machine's types. Each row is written once, in any order.
  void write(std::size_t data_set, std::int64_t first, std::span<const std::byte> rows);

  // Reads everything back, then gives the file its name. Nothing may be written afterwards. Throws
  // Error also when rows are missing or read back as others.
  std::vector<Imported> publish();

 private:
  struct Block {  // one call of write
    std::int64_t first;
    std::int64_t rows;
    std::string hash;
  };
  struct Column {
    Imported imported;
    ImportedType type;
    std::int64_t row_bytes;
    hdf5::Handle data_set;
    std::vector<Block> blocks;
  };

  bool holds_group() const;
  void open(bool there);
  void discard();
  std::size_t create(const std::string& name, ImportedType type, std::vector<std::int64_t> shape,
                     std::int64_t chunk_rows);
  std::vector<Imported> close_and_rename();
  void transfer(const Column& column, const Block& block, const std::byte* from, std::byte* to);
  void verify();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::string group_name_;
  hdf5::Handle file_;
  hdf5::Handle group_;
  std::vector<Column> columns_;
};

}  // namespace elbow
