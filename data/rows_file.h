// An HDF5 file of data sets of one length, a row of each for every sample, filled in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/hdf5.h"

namespace elbow {

enum class RowType { kUint8, kInt64, kFloat32, kFloat64 };

// One of the file's data sets: [rows, row_shape...].
struct RowColumn {
  std::string name;  // "mean"
  RowType type = RowType::kFloat64;
  std::vector<std::int64_t> row_shape = {};  // empty: one number a row

  std::int64_t row_bytes() const;
};

// What the file says about itself: attributes of its root, text or whole numbers.
struct FileAttributes {
  std::vector<std::pair<std::string, std::string>> text;
  std::vector<std::pair<std::string, std::int64_t>> numbers;
};

// Contiguous, little-endian and without times in it: equal values make equal files. Written under
// a temporary name, so that the file is whole or not there; without finish() nothing stays. Throws
// Error naming the file.
class RowsFile {
 public:
  RowsFile(std::filesystem::path path, std::int64_t rows, std::vector<RowColumn> columns,
           const FileAttributes& about = {});
  ~RowsFile();
  RowsFile(const RowsFile&) = delete;
  RowsFile& operator=(const RowsFile&) = delete;

  // The next rows: as many for each column, in the order of the columns, in this machine's types.
  void append(const std::vector<std::span<const std::byte>>& values);

  // Closes, flushes to disk and renames. All rows must have been appended.
  void finish();

 private:
  void open(const FileAttributes& about);
  void discard();
  void create(const RowColumn& column);
  void describe(const FileAttributes& about);
  void write(std::size_t column, std::int64_t rows, const std::byte* values);

  std::filesystem::path path_;
  std::int64_t rows_;
  std::vector<RowColumn> columns_;
  std::int64_t written_ = 0;
  std::filesystem::path temporary_;
  hdf5::Handle file_;
  std::vector<hdf5::Handle> data_sets_;
};

}  // namespace elbow
