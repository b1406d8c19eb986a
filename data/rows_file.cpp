#include "data/rows_file.h"

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/input_file.h"
#include "base/temporary_files.h"

namespace elbow {
namespace {

hid_t stored_type(RowType type) {
  switch (type) {
    case RowType::kUint8:
      return H5T_STD_U8LE;
    case RowType::kInt64:
      return H5T_STD_I64LE;
    case RowType::kFloat32:
      return H5T_IEEE_F32LE;
    case RowType::kFloat64:
      break;
  }
  return H5T_IEEE_F64LE;
}

hid_t native_type(RowType type) {
  switch (type) {
    case RowType::kUint8:
      return H5T_NATIVE_UINT8;
    case RowType::kInt64:
      return H5T_NATIVE_INT64;
    case RowType::kFloat32:
      return H5T_NATIVE_FLOAT;
    case RowType::kFloat64:
      break;
  }
  return H5T_NATIVE_DOUBLE;
}

std::int64_t bytes_of(RowType type) {
  if (type == RowType::kUint8) return 1;
  return type == RowType::kFloat32 ? 4 : 8;
}

// [rows, row_shape...]
std::vector<hsize_t> extent(const RowColumn& column, std::int64_t rows) {
  std::vector<hsize_t> lengths = {static_cast<hsize_t>(rows)};
  lengths.insert(lengths.end(), column.row_shape.begin(), column.row_shape.end());
  return lengths;
}

hdf5::Handle space_of(const std::vector<hsize_t>& extent, const std::string& where) {
  return {hdf5::check(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
                      "describe rows", where),
          H5Sclose};
}

// An attribute of one value.
void write_attribute(const hdf5::Handle& file, const std::string& name, hid_t type,
                     const void* value, const std::string& where) {
  const hdf5::Handle space(hdf5::check(H5Screate(H5S_SCALAR), "describe an attribute", where),
                           H5Sclose);
  const hdf5::Handle attribute(
      hdf5::check(H5Acreate2(file.get(), name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                  "create attribute " + name, where),
      H5Aclose);
  hdf5::check(H5Awrite(attribute.get(), type, value), "write attribute " + name, where);
}

// Text of any length, as every reader of HDF5 knows it.
hdf5::Handle text_type(const std::string& where) {
  hdf5::Handle type(hdf5::check(H5Tcopy(H5T_C_S1), "describe text", where), H5Tclose);
  hdf5::check(H5Tset_size(type.get(), H5T_VARIABLE), "describe text", where);
  hdf5::check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "describe text", where);
  return type;
}

}  // namespace

std::int64_t RowColumn::row_bytes() const {
  std::int64_t bytes = bytes_of(type);
  for (const std::int64_t length : row_shape) bytes *= length;
  return bytes;
}

RowsFile::RowsFile(std::filesystem::path path, std::int64_t rows, std::vector<RowColumn> columns,
                   const FileAttributes& about)
    : path_(std::move(path)),
      rows_(rows),
      columns_(std::move(columns)),
      temporary_(temporary_name(path_)) {
  try {
    errors_as<Error>([&] { open(about); });
  } catch (...) {
    discard();
    throw;
  }
}

RowsFile::~RowsFile() { discard(); }

void RowsFile::open(const FileAttributes& about) {
  remove_abandoned(path_);
  const auto guard = hdf5::lock();
  file_ = {hdf5::check(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                       "create the file", path_.string()),
           H5Fclose};
  for (const RowColumn& column : columns_) create(column);
  describe(about);
}

void RowsFile::discard() {
  {
    const auto guard = hdf5::lock();
    for (hdf5::Handle& data_set : data_sets_) data_set.discard();
    file_.discard();
  }
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void RowsFile::create(const RowColumn& column) {
  const std::string where = path_.string();
  const hdf5::Handle space = space_of(extent(column, rows_), where);
  const hdf5::Handle properties(
      hdf5::check(H5Pcreate(H5P_DATASET_CREATE), "describe a column", where), H5Pclose);
  hdf5::check(H5Pset_obj_track_times(properties.get(), 0), "describe a column", where);
  data_sets_.emplace_back(
      hdf5::check(H5Dcreate2(file_.get(), column.name.c_str(), stored_type(column.type),
                             space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                  "create column " + column.name, where),
      H5Dclose);
}

void RowsFile::describe(const FileAttributes& about) {
  const std::string where = path_.string();
  for (const auto& [name, value] : about.text) {
    const char* const text = value.c_str();
    write_attribute(file_, name, text_type(where).get(), &text, where);
  }
  for (const auto& [name, value] : about.numbers) {
    write_attribute(file_, name, H5T_NATIVE_INT64, &value, where);
  }
}

void RowsFile::append(const std::vector<std::span<const std::byte>>& values) {
  const auto guard = hdf5::lock();
  const auto bytes = static_cast<std::int64_t>(values.front().size());
  const std::int64_t rows = bytes / columns_.front().row_bytes();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (static_cast<std::int64_t>(values[i].size()) != rows * columns_[i].row_bytes()) {
      throw Error(fmt::format("{}: {} bytes of {} for {} rows", path_.string(), values[i].size(),
                              columns_[i].name, rows));
    }
    errors_as<Error>([&] { write(i, rows, values[i].data()); });
  }
  written_ += rows;
}

void RowsFile::write(std::size_t column, std::int64_t rows, const std::byte* values) {
  const std::string where = path_.string();
  const std::vector<hsize_t> count = extent(columns_[column], rows);
  std::vector<hsize_t> start(count.size(), 0);
  start.front() = static_cast<hsize_t>(written_);
  const hdf5::Handle& data_set = data_sets_[column];
  const hdf5::Handle space(hdf5::check(H5Dget_space(data_set.get()), "describe a column", where),
                           H5Sclose);
  hdf5::check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(),
                                  nullptr),
              "select rows", where);
  const hdf5::Handle memory = space_of(count, where);
  hdf5::check(H5Dwrite(data_set.get(), native_type(columns_[column].type), memory.get(),
                       space.get(), H5P_DEFAULT, values),
              "write rows", where);
}

void RowsFile::finish() {
  if (written_ != rows_) {
    throw Error(fmt::format("{}: {} of {} rows were written", path_.string(), written_, rows_));
  }
  errors_as<Error>([&] {
    const auto guard = hdf5::lock();
    for (auto& data_set : data_sets_) data_set.close("write a column", path_.string());
    data_sets_.clear();
    file_.close("write the file", path_.string());
  });
  publish_file(temporary_, path_);
}

}  // namespace elbow
