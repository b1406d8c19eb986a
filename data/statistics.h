// Plain statistics of a data set, for normalisation.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "data/data_set.h"

namespace elbow {

// Mean and deviation (1/N) of each variable of a row, in the units of the file.
struct VariableStatistics {
  std::vector<double> mean;       // [row elements]
  std::vector<double> deviation;  // [row elements]; 1 for a variable that never varies
  std::int64_t count = 0;         // rows that entered
};

// One pass over the rows with ordinals [0, count), `index_of` giving their global index, in that
// order, in bounded memory. Rows with a NaN or an infinity are left out; throws DataError where no
// other is there. Welford's recurrence per
// block, blocks merged in order (Chan et al. 1979).
VariableStatistics compute_statistics(const DataSet& data, std::int64_t count,
                                      const std::function<std::int64_t(std::int64_t)>& index_of);

}  // namespace elbow
