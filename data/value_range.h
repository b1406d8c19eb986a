// Between which values a data set's lie, found by a look at some of its rows.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "data/data_set.h"

namespace elbow {

// All but a thousandth of the values at either end lie in it: the few that lie far away don't
// decide on what scale the others are. In the units of the file.
struct ValueRange {
  double low = 0;
  double high = 0;

  double width() const { return high - low; }
};

// The finite values of at most 1,024 of the rows with ordinals [0, count), in 64 runs from the
// first to the last, `index_of` giving their global index. Bounded memory: fewer of long rows.
// Throws DataError.
std::vector<float> some_values(const DataSet& data, std::int64_t count,
                               const std::function<std::int64_t(std::int64_t)>& index_of);

// The range of values in any order; that of none is [0, 0].
ValueRange range_of(std::vector<float> values);

// 1 when 8-bit values are all 0 or 1, else 255; 255 for other types. Grey levels show in the first
// block: only data that look binary are read to the end. Throws DataError.
int white_level(const DataSet& data);

}  // namespace elbow
