#include "data/import_output.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/input_file.h"
#include "base/temporary_files.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kCompression = 4;

std::size_t bytes_of(ImportedType type) { return type == ImportedType::kUint8 ? 1 : 8; }

hid_t stored_type(ImportedType type) {
  switch (type) {
    case ImportedType::kUint8:
      return H5T_STD_U8LE;
    case ImportedType::kInt64:
      return H5T_STD_I64LE;
    default:
      return H5T_IEEE_F64LE;
  }
}

hid_t memory_type(ImportedType type) {
  switch (type) {
    case ImportedType::kUint8:
      return H5T_NATIVE_UINT8;
    case ImportedType::kInt64:
      return H5T_NATIVE_INT64;
    default:
      return H5T_NATIVE_DOUBLE;
  }
}

void check_group_name(const std::string& name, const std::string& option) {
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
  if (name.empty() || !plain) {
    throw ConfigError(fmt::format("'{}' cannot name a group ({}): use letters, digits, '-' and '_'",
                                  name, option));
  }
}

// How a data set is stored; its rows have `row_bytes`.
hdf5::Handle creation_list(const std::vector<hsize_t>& extent, std::int64_t row_bytes,
                           std::int64_t chunk_rows, const std::string& where) {
  hdf5::Handle list(hdf5::check(H5Pcreate(H5P_DATASET_CREATE), "describe", where), H5Pclose);
  if (chunk_rows != kContiguous) {
    if (chunk_rows == 0) chunk_rows = kImportedChunkBytes / row_bytes;
    std::vector<hsize_t> chunk = extent;
    chunk.front() = std::clamp<hsize_t>(static_cast<hsize_t>(chunk_rows), 1, extent.front());
    hdf5::check(H5Pset_chunk(list.get(), static_cast<int>(chunk.size()), chunk.data()),
                "set the chunks of", where);
    hdf5::check(H5Pset_deflate(list.get(), kCompression), "compress", where);
  }
  // Without times in it, equal values make equal files.
  hdf5::check(H5Pset_obj_track_times(list.get(), 0), "describe", where);
  return list;
}

}  // namespace

ImportOutput::ImportOutput(fs::path file, const std::string& group, bool replace,
                           const std::string& option)
    : path_(std::move(file)), temporary_(temporary_name(path_)), group_name_("/" + group) {
  check_group_name(group, option);
  remove_abandoned(path_);
  const bool there = holds_group();
  if (there && !replace) {
    throw DataError(fmt::format("{} holds {} already; --replace replaces it, {} writes beside it",
                                path_.string(), group_name_, option));
  }
  try {
    errors_as<Error>([&] { open(there); });
  } catch (...) {
    discard();
    throw;
  }
}

ImportOutput::~ImportOutput() { discard(); }

void ImportOutput::discard() {
  {
    const auto held = hdf5::lock();
    for (Column& column : columns_) column.data_set.discard();
    group_.discard();
    file_.discard();
  }
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

bool ImportOutput::holds_group() const {
  std::error_code ignored;
  if (!fs::exists(path_, ignored)) return false;
  const std::string where = path_.string();
  bool there = false;
  const auto look = [&] {
    const auto held = hdf5::lock();
    there = hdf5::check(H5Lexists(hdf5::open_file(where).get(), group_name_.c_str(), H5P_DEFAULT),
                        "look into", where) > 0;
  };
  hdf5::rehearse(where, look);
  look();
  return there;
}

void ImportOutput::open(bool there) {
  const auto held = hdf5::lock();
  const std::string where = path_.string();
  std::error_code error;
  if (!fs::exists(path_, error)) {
    file_ = {hdf5::check(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                         "create", where),
             H5Fclose};
  } else {
    fs::copy_file(path_, temporary_, fs::copy_options::overwrite_existing, error);
    if (error) throw Error(fmt::format("cannot copy {}: {}", where, error.message()));
    file_ = {hdf5::check(H5Fopen(temporary_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), "open for writing",
                         where),
             H5Fclose};
    if (there) {
      hdf5::check(H5Ldelete(file_.get(), group_name_.c_str(), H5P_DEFAULT), "replace a group of",
                  where);
    }
  }
  group_ = {hdf5::check(
                H5Gcreate2(file_.get(), group_name_.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                "create a group in", where),
            H5Gclose};
}

std::size_t ImportOutput::add(const std::string& name, ImportedType type,
                              std::vector<std::int64_t> shape, std::int64_t chunk_rows) {
  return errors_as<Error>([&] { return create(name, type, std::move(shape), chunk_rows); });
}

std::size_t ImportOutput::create(const std::string& name, ImportedType type,
                                 std::vector<std::int64_t> shape, std::int64_t chunk_rows) {
  const auto held = hdf5::lock();
  Column column{{group_name_ + "/" + name, std::move(shape)}, type, 0, {}, {}};
  const std::string where = hdf5::data_set_name(path_.string(), column.imported.path);
  const std::vector<hsize_t> extent(column.imported.shape.begin(), column.imported.shape.end());
  column.row_bytes = static_cast<std::int64_t>(bytes_of(type));
  for (std::size_t i = 1; i < extent.size(); ++i) column.row_bytes *= column.imported.shape[i];
  const hdf5::Handle space(
      hdf5::check(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
                  "describe", where),
      H5Sclose);
  const hdf5::Handle creation = creation_list(extent, column.row_bytes, chunk_rows, where);
  column.data_set = {hdf5::check(H5Dcreate2(group_.get(), name.c_str(), stored_type(type),
                                            space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                                 "create", where),
                     H5Dclose};
  columns_.push_back(std::move(column));
  return columns_.size() - 1;
}

void ImportOutput::write(std::size_t data_set, std::int64_t first,
                         std::span<const std::byte> rows) {
  const auto held = hdf5::lock();
  Column& column = columns_.at(data_set);
  Hash hash;
  hash.add(rows);
  column.blocks.push_back({first, std::ssize(rows) / column.row_bytes, hash.hex()});
  errors_as<Error>([&] { transfer(column, column.blocks.back(), rows.data(), nullptr); });
}

// Rows of a block into the file, or out of it.
void ImportOutput::transfer(const Column& column, const Block& block, const std::byte* from,
                            std::byte* to) {
  const std::string where = hdf5::data_set_name(path_.string(), column.imported.path);
  std::vector<hsize_t> start(column.imported.shape.size(), 0);
  std::vector<hsize_t> count(column.imported.shape.begin(), column.imported.shape.end());
  start.front() = static_cast<hsize_t>(block.first);
  count.front() = static_cast<hsize_t>(block.rows);
  const hdf5::Handle memory(
      hdf5::check(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr),
                  "describe", where),
      H5Sclose);
  const hdf5::Handle space(hdf5::check(H5Dget_space(column.data_set.get()), "describe", where),
                           H5Sclose);
  hdf5::check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(),
                                  nullptr),
              "select rows of", where);
  if (from) {
    hdf5::check(H5Dwrite(column.data_set.get(), memory_type(column.type), memory.get(), space.get(),
                         H5P_DEFAULT, from),
                "write", where);
  } else {
    hdf5::check(H5Dread(column.data_set.get(), memory_type(column.type), memory.get(), space.get(),
                        H5P_DEFAULT, to),
                "read back", where);
  }
}

// Opened anew, so that the values come from the file rather than from the library's memory of them.
void ImportOutput::verify() {
  file_ = hdf5::open_file(temporary_.string());
  std::vector<std::byte> rows;
  for (Column& column : columns_) {
    column.data_set = hdf5::open_data_set(file_, temporary_.string(), column.imported.path);
    for (const Block& block : column.blocks) {
      rows.resize(static_cast<std::size_t>(block.rows * column.row_bytes));
      transfer(column, block, nullptr, rows.data());
      Hash hash;
      hash.add(rows);
      if (hash.hex() != block.hash) {
        throw Error(
            fmt::format("{} does not read back as it was written; is the disk full or failing?",
                        hdf5::data_set_name(path_.string(), column.imported.path)));
      }
    }
    column.data_set = {};
  }
  file_ = {};
}

std::vector<Imported> ImportOutput::publish() {
  return errors_as<Error>([&] { return close_and_rename(); });
}

std::vector<Imported> ImportOutput::close_and_rename() {
  const auto held = hdf5::lock();
  const std::string where = path_.string();
  std::vector<Imported> result;
  for (Column& column : columns_) {
    std::int64_t written = 0;
    for (const Block& block : column.blocks) written += block.rows;
    if (written != column.imported.shape.front()) {
      throw Error(fmt::format("{}: {} of {} rows were written",
                              hdf5::data_set_name(where, column.imported.path), written,
                              column.imported.shape.front()));
    }
    column.data_set.close("write", hdf5::data_set_name(where, column.imported.path));
    result.push_back(column.imported);
  }
  group_.close("write", where);
  file_.close("write", where);
  verify();
  publish_file(temporary_, path_);
  return result;
}

}  // namespace elbow
