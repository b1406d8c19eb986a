// What a model knows of the files that it was trained on, to be compared with those it is given
// later.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/data_set.h"
#include "data/value_range.h"

namespace elbow {

// What lies in the file.
struct StoredRows {
  std::vector<std::int64_t> shape;  // of one row, axes as in the file: one to three
  ValueType type = ValueType::kUint8;
  int white = 255;  // largest 8-bit value; 1 when the data are {0, 1} already
  // Where the values lie; not known of runs made before it was kept.
  std::optional<ValueRange> range = std::nullopt;
};

// Describes the rows with ordinals [0, count), `index_of` giving their global index. Throws
// DataError.
StoredRows stored_rows(const DataSet& data, std::int64_t count,
                       const std::function<std::int64_t(std::int64_t)>& index_of);

// Throws DataError unless the rows of `data` have the shape and the type that `trained` has.
void require_same_rows(const DataSet& data, const StoredRows& trained);

// What data on another scale than those that a model was trained on do, as data.mismatch says:
// 0 and 1 in the place of 0 to 255, 0 to 1 in the place of 0 to 255, millimetres for metres.
enum class Mismatch { kStop, kWarn };
Mismatch mismatch_of(const std::string& option);  // "stop", "warn"

// Throws DataError naming both ranges where the values of `data` are on another scale than those
// of `trained`, or warns of it. Warns as well of a range that is only shifted or cut, which a part
// of the same data may have. Reads some rows; those of {0, 1} all.
void require_same_scale(const DataSet& data, const StoredRows& trained, Mismatch mismatch);

}  // namespace elbow
