// A part: one data set in one file, rows along its first axis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "data/hdf5.h"
#include "data/spec.h"
#include "data/stored_type.h"

namespace elbow {

struct PartInfo {
  std::string file;
  std::string path;                     // inside the file, "/train/images"
  std::int64_t rows = 0;                // N
  std::vector<std::int64_t> row_shape;  // axes behind N, as in the file
  StoredType stored;
  std::string layout;                // "contiguous", "chunked", "compact", "virtual"
  std::vector<std::int64_t> chunk;   // shape of a chunk, N first; empty unless chunked
  std::vector<std::string> filters;  // "gzip 4", "shuffle", in the order they were applied
  // Where the values lie in the file when they can be read around the library, as all contiguous
  // data of a named type can.
  std::optional<std::int64_t> offset;
  // Rows read through the library at a time: whole chunks, or a bounded run of unchunked data.
  std::int64_t slab_rows = 1;
  std::int64_t file_bytes = 0;  // size and time of the file when it was described
  std::int64_t file_time_ns = 0;

  std::string name() const { return hdf5::data_set_name(file, path); }
  std::int64_t row_elements() const;
  std::int64_t row_bytes() const;  // as read: row_elements * stored.bytes
  std::vector<std::int64_t> shape() const;
};

// What lies in a file under a path. Throws DataError naming both when that is no numeric data set
// of at least one row, when a filter is missing or comes twice, when the values lie in other files
// than HDF5's, when the file is too short for them, or when there are more of them than a file of
// its size can hold: memory and time that a part may take are bounded by the size of its file.
PartInfo describe_part(const std::string& file, const std::string& path);

// Describes these parts, and reads the first row of each, in a child process: before this process
// does, since they may be a stranger's (hdf5::rehearse). Throws DataError.
void examine_parts(std::span<const PartName> parts);

// Reads rows of one part. Not thread-safe.
class PartReader {
 public:
  // Opens the file. Throws DataError when it is no longer the one that was described.
  explicit PartReader(const PartInfo& info);

  // Rows [first, first + count) as they are stored, count * row_bytes of them, for decode_values.
  void read_raw(std::int64_t first, std::int64_t count, std::byte* out);

 private:
  void read_around_library(std::int64_t first, std::int64_t count, std::byte* out);
  void read_through_library(std::int64_t first, std::int64_t count, std::byte* out);

  const PartInfo info_;
  Descriptor direct_;  // where the library is not needed
  hdf5::Handle opened_;
  hdf5::Handle data_set_;
  hdf5::Handle memory_type_;
  hdf5::Handle file_space_;
};

}  // namespace elbow
