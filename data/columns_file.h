// An HDF5 file of columns: one-dimensional data sets of doubles of one length, filled in order.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/hdf5.h"

namespace elbow {

// Written under a temporary name, so that the file is whole or not there; without finish() nothing
// stays. Throws DataError naming the file.
class ColumnsFile {
 public:
  ColumnsFile(std::filesystem::path path, std::int64_t rows, std::vector<std::string> names);
  ~ColumnsFile();
  ColumnsFile(const ColumnsFile&) = delete;
  ColumnsFile& operator=(const ColumnsFile&) = delete;

  // The next rows: as many values for each column, in the order of the names.
  void append(const std::vector<std::span<const double>>& columns);

  // Closes, flushes to disk and renames. All rows must have been appended.
  void finish();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::int64_t rows_;
  std::int64_t written_ = 0;
  hdf5::Handle file_;
  std::vector<hdf5::Handle> columns_;
};

}  // namespace elbow
