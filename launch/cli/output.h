// Where a command writes what it makes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>

#include "data/rows_file.h"

namespace elbow {

enum class OutputKind { kPicture, kTable };

// By the extension: .png, or .h5 and .hdf5. Throws ConfigError for another.
OutputKind output_kind(const std::filesystem::path& output);

// Throws ConfigError unless the extension is that of HDF5.
void require_table(const std::filesystem::path& output);

// Throws Error where `output` cannot be written: said before the work rather than after it.
void require_writable(const std::filesystem::path& output);

// An HDF5 file whose columns are what the first rows turn out to be.
class Table {
 public:
  // `count` rows in all. Throws Error naming the file, as the other methods.
  Table(std::filesystem::path path, std::int64_t count, FileAttributes about);

  // The next rows: a tensor [B, ...] in host memory for each name, of uint8, int64, float or
  // double. Names and what a row is are the same in every call.
  void add(const std::vector<std::string>& names, const std::vector<torch::Tensor>& rows);
  void finish();

 private:
  std::filesystem::path path_;
  std::int64_t count_;
  FileAttributes about_;
  std::unique_ptr<RowsFile> file_;
};

}  // namespace elbow
