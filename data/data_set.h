// Several parts as one data set: rows are numbered through all of them, in the order listed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/slab_cache.h"

namespace elbow {

// What the order needs to know about a part.
struct PartLayout {
  std::int64_t first = 0;  // global index of its first row
  std::int64_t rows = 0;
  std::int64_t chunk_rows = 1;  // rows that are read together; 1 when any row can be read alone
};

// What a data set is for: rows of samples have one to three axes, those of labels none to three.
enum class RowKind { kSamples, kLabels };

// Not thread-safe, reading included: one reader to an instance. Copies are cheap, share nothing
// and open their files anew, so that a thread takes a copy of its own.
class DataSet {
 public:
  // A spec is FILE:/path, or a pattern of files (shards/*.h5:/images) which stands for its matches
  // sorted as text. Throws DataError naming file and data set: nothing matches, not HDF5, no such
  // data set (with what is there), no permission, truncated, not numbers, parts that disagree.
  static DataSet open(const std::vector<std::string>& specs, RowKind kind = RowKind::kSamples);

  DataSet(const DataSet& other);
  DataSet& operator=(const DataSet& other);
  DataSet(DataSet&&) noexcept;
  DataSet& operator=(DataSet&&) noexcept;
  ~DataSet();

  std::int64_t size() const;                           // rows of all parts
  const std::vector<std::int64_t>& row_shape() const;  // axes as in the file; empty for (N,)
  std::int64_t row_elements() const;
  ValueType type() const;                  // in which values are delivered
  std::int64_t row_bytes() const;          // as delivered
  const std::string& stored_type() const;  // "uint8", "float64 big-endian"
  const std::vector<PartLayout>& layout() const;
  bool chunked() const;                            // some part is read in chunks
  std::string part_name(std::size_t part) const;   // "FILE:/path"
  std::string row_name(std::int64_t index) const;  // "row 17 of FILE:/path"
  std::string name() const;                        // of the first part, and how many follow

  // Rows of these global indices, in this order: any order, repetitions allowed. `out` holds
  // indices.size() * row_bytes(). Runs of neighbours are read at once. Throws DataError.
  void read(std::span<const std::int64_t> indices, std::byte* out) const;
  // The same as doubles, [indices.size(), row_elements()], for labels.
  void read(std::span<const std::int64_t> indices, std::span<double> out) const;

  // Bounds the memory that decoded chunks may take. For every chunk to be read once an epoch it
  // should hold two windows of the order.
  void set_cache(const CacheLimits& limits);

  // Hash of size, row shape, type and 64 rows at fixed places: the same for a file that was moved,
  // repacked or cut into parts. 32 hexadecimal digits.
  std::string fingerprint() const;

 private:
  struct State;
  explicit DataSet(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Labels of `samples`, a row each, in the same order. Throws DataError as DataSet::open does, and
// when there are more or fewer.
DataSet open_labels(const std::string& spec, const DataSet& samples);

}  // namespace elbow
