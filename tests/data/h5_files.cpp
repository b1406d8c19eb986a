#include "tests/data/h5_files.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <unistd.h>

namespace elbow::test {
namespace {

template <typename Result>
Result must(Result result) {
  if (result < 0) throw std::runtime_error("HDF5 refused a call of the test");
  return result;
}

hid_t creation_list(const Storage& storage) {
  const hid_t list = must(H5Pcreate(H5P_DATASET_CREATE));
  if (storage.compact) must(H5Pset_layout(list, H5D_COMPACT));
  if (!storage.chunk.empty()) {
    must(H5Pset_chunk(list, static_cast<int>(storage.chunk.size()), storage.chunk.data()));
  }
  if (storage.shuffle) must(H5Pset_shuffle(list));
  for (int i = 0; storage.gzip > 0 && i < storage.gzip_times; ++i) {
    must(H5Pset_deflate(list, static_cast<unsigned>(storage.gzip)));
  }
  if (storage.fletcher32) must(H5Pset_fletcher32(list));
  return list;
}

hid_t open_or_create(const std::string& file, const Storage& storage) {
  if (std::filesystem::exists(file)) return must(H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT));
  const hid_t creation = must(H5Pcreate(H5P_FILE_CREATE));
  must(H5Pset_userblock(creation, storage.user_block));
  const hid_t access = must(H5Pcreate(H5P_FILE_ACCESS));
  if (storage.latest_format) {
    must(H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST));
  }
  const hid_t opened = must(H5Fcreate(file.c_str(), H5F_ACC_EXCL, creation, access));
  must(H5Pclose(creation));
  must(H5Pclose(access));
  return opened;
}

}  // namespace

hid_t make_half_type(bool little_endian) {
  const hid_t type = must(H5Tcopy(little_endian ? H5T_IEEE_F32LE : H5T_IEEE_F32BE));
  must(H5Tset_fields(type, 15, 10, 5, 0, 10));
  must(H5Tset_size(type, 2));
  must(H5Tset_ebias(type, 15));
  return type;
}

void write_h5(const std::string& file, const std::string& path, const std::vector<hsize_t>& shape,
              hid_t stored_type, hid_t memory_type, const void* values, const Storage& storage) {
  const auto held = hdf5::lock();
  const hid_t opened = open_or_create(file, storage);
  const std::vector<hsize_t> most(shape.size(), H5S_UNLIMITED);
  const hid_t space = must(H5Screate_simple(static_cast<int>(shape.size()), shape.data(),
                                            storage.unlimited ? most.data() : nullptr));
  const hid_t links = must(H5Pcreate(H5P_LINK_CREATE));
  must(H5Pset_create_intermediate_group(links, 1));
  const hid_t creation = creation_list(storage);
  const hid_t data_set =
      must(H5Dcreate2(opened, path.c_str(), stored_type, space, links, creation, H5P_DEFAULT));
  if (values != nullptr) {
    must(H5Dwrite(data_set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
  }
  must(H5Dclose(data_set));
  must(H5Pclose(creation));
  must(H5Pclose(links));
  must(H5Sclose(space));
  must(H5Fclose(opened));
}

std::vector<std::uint8_t> byte_pattern(std::int64_t rows, std::int64_t row_elements) {
  std::vector<std::uint8_t> values;
  values.reserve(static_cast<std::size_t>(rows * row_elements));
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < row_elements; ++i) {
      values.push_back(static_cast<std::uint8_t>(31 * row + 7 * i + row / 256));
    }
  }
  return values;
}

std::vector<float> float_pattern(std::int64_t rows, std::int64_t row_elements) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(rows * row_elements));
  for (std::int64_t i = 0; i < rows * row_elements; ++i) {
    values.push_back(static_cast<float>(i % 1999 - 999) / 8.0F);
  }
  return values;
}

void write_bytes(const std::string& file, const std::string& path,
                 const std::vector<hsize_t>& shape, const Storage& storage) {
  std::int64_t row_elements = 1;
  for (std::size_t i = 1; i < shape.size(); ++i)
    row_elements *= static_cast<std::int64_t>(shape[i]);
  const auto values = byte_pattern(static_cast<std::int64_t>(shape.front()), row_elements);
  write_h5(file, path, shape, H5T_STD_U8LE, H5T_NATIVE_UINT8, values.data(), storage);
}

void flip_bit(const std::string& file, std::uintmax_t byte, int bit) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(byte));
  const int value = stream.get();
  stream.seekp(static_cast<std::streamoff>(byte));
  stream.put(static_cast<char>(value ^ 1 << bit));
  if (!stream.flush()) throw std::runtime_error("cannot flip a bit of " + file);
}

}  // namespace elbow::test
