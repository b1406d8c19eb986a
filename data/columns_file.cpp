#include "data/columns_file.h"

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/error.h"

namespace elbow {

ColumnsFile::ColumnsFile(std::filesystem::path path, std::int64_t rows,
                         std::vector<std::string> names)
    : path_(std::move(path)), temporary_(temporary_name(path_)), rows_(rows) {
  const auto guard = hdf5::lock();
  file_ = {hdf5::check(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                       "create the file", path_.string()),
           H5Fclose};
  const auto length = static_cast<hsize_t>(rows);
  const hdf5::Handle space(
      hdf5::check(H5Screate_simple(1, &length, nullptr), "describe a column", path_.string()),
      H5Sclose);
  // Without times in it, equal values make equal files.
  const hdf5::Handle properties(
      hdf5::check(H5Pcreate(H5P_DATASET_CREATE), "describe a column", path_.string()), H5Pclose);
  hdf5::check(H5Pset_obj_track_times(properties.get(), 0), "describe a column", path_.string());
  for (const std::string& name : names) {
    columns_.emplace_back(
        hdf5::check(H5Dcreate2(file_.get(), name.c_str(), H5T_IEEE_F64LE, space.get(), H5P_DEFAULT,
                               properties.get(), H5P_DEFAULT),
                    "create column " + name, path_.string()),
        H5Dclose);
  }
}

ColumnsFile::~ColumnsFile() {
  {
    const auto guard = hdf5::lock();
    columns_.clear();
    file_ = {};
  }
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void ColumnsFile::append(const std::vector<std::span<const double>>& columns) {
  const auto guard = hdf5::lock();
  const auto count = static_cast<hsize_t>(columns.front().size());
  const auto start = static_cast<hsize_t>(written_);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const hdf5::Handle space(
        hdf5::check(H5Dget_space(columns_[i].get()), "describe a column", path_.string()),
        H5Sclose);
    hdf5::check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &start, nullptr, &count, nullptr),
                "select rows", path_.string());
    const hdf5::Handle memory(
        hdf5::check(H5Screate_simple(1, &count, nullptr), "describe rows", path_.string()),
        H5Sclose);
    hdf5::check(H5Dwrite(columns_[i].get(), H5T_NATIVE_DOUBLE, memory.get(), space.get(),
                         H5P_DEFAULT, columns[i].data()),
                "write rows", path_.string());
  }
  written_ += static_cast<std::int64_t>(count);
}

void ColumnsFile::finish() {
  if (written_ != rows_) {
    throw DataError(fmt::format("{}: {} of {} rows were written", path_.string(), written_, rows_));
  }
  {
    const auto guard = hdf5::lock();
    for (auto& column : columns_) column.close("write a column", path_.string());
    columns_.clear();
    file_.close("write the file", path_.string());
  }
  publish_file(temporary_, path_);
}

}  // namespace elbow
