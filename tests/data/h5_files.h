// HDF5 files for tests, written with the C API alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <hdf5.h>

#include "data/hdf5.h"
#include "tests/base/message_of.h"
#include "tests/base/temporary_folder.h"

namespace elbow::test {

// Names its files as data sets are named: by text.
class TemporaryFolder : public elbow::TemporaryFolder {
 public:
  std::string operator/(const std::string& name) const { return (path() / name).string(); }
};

// How a data set is to be stored.
struct Storage {
  std::vector<hsize_t> chunk = {};  // empty: contiguous
  bool unlimited = false;           // may grow along every axis, as far as its chunks need it
  int gzip = 0;                     // level, 0 for none
  int gzip_times = 1;               // how often that filter is applied
  bool shuffle = false;
  bool fletcher32 = false;
  bool compact = false;
  hsize_t user_block = 0;  // of a new file
  bool latest_format = false;
};

// IEEE half precision; the caller closes it.
hid_t make_half_type(bool little_endian);

// Writes a data set with `stored_type` in the file, from values of `memory_type`, into a new file
// or one that exists; groups on the way are made.
void write_h5(const std::string& file, const std::string& path, const std::vector<hsize_t>& shape,
              hid_t stored_type, hid_t memory_type, const void* values,
              const Storage& storage = {});

// [rows, ...] bytes that depend on row and place: (31 row + 7 place + row / 256) mod 256.
std::vector<std::uint8_t> byte_pattern(std::int64_t rows, std::int64_t row_elements);
// Values with fractions and signs, all exact in half precision.
std::vector<float> float_pattern(std::int64_t rows, std::int64_t row_elements);

// Writes byte_pattern.
void write_bytes(const std::string& file, const std::string& path,
                 const std::vector<hsize_t>& shape, const Storage& storage = {});

// Inverts one bit of a file.
void flip_bit(const std::string& file, std::uintmax_t byte, int bit);

}  // namespace elbow::test
