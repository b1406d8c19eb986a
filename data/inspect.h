// What a person wants to know about a file before training on it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/part.h"
#include "data/slab_cache.h"

namespace elbow {

struct InspectOptions {
  std::int64_t window = 8192;       // of the order, data.window
  std::int64_t value_rows = 10000;  // rows whose values are looked at, at most
  double seconds = 2.0;             // for which reading is measured, at most (and one batch)
  CacheLimits cache;
};

struct ValueSummary {
  std::int64_t rows = 0;  // looked at
  double lowest = 0;      // of the finite values
  double highest = 0;
  bool any_finite = false;
  std::int64_t nans = 0;
  std::int64_t infinities = 0;
  std::int64_t first_bad_row = -1;  // with a NaN or an infinity
};

struct ReadingSpeed {
  double rows_per_second = 0;
  std::int64_t rows = 0;  // read for the measurement
  bool windowed = false;
  bool whole_window = true;  // false: even the first window took longer
};

// What in a layout makes training slow, and the command that mends it; empty when all is well.
struct LayoutVerdict {
  std::vector<std::string> problems;
  std::string remedy;
};

// Looks at no more than options.value_rows rows, in runs spread over the part.
ValueSummary summarise_values(const PartInfo& part, const InspectOptions& options);
// Reads in the order of an epoch, without a held-out split.
ReadingSpeed measure_reading(const PartInfo& part, const InspectOptions& options);
LayoutVerdict judge_layout(const PartInfo& part, const InspectOptions& options);

// The report on FILE or FILE:/path, for people. Throws DataError when the file cannot be read; what
// is wrong with one of several data sets is said in its place.
std::string inspect(const std::string& target, const InspectOptions& options = {});

}  // namespace elbow
