#include "data/value_range.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace elbow {
namespace {

constexpr std::int64_t kRuns = 64;     // as many places as a fingerprint looks at
constexpr std::int64_t kRunRows = 16;  // that lie together, often in one chunk
constexpr std::int64_t kMostValues = std::int64_t{1} << 22;
constexpr double kFarAway = 0.001;  // share of values at either end
constexpr std::int64_t kRangeBlockRows = 1024;

}  // namespace

std::vector<float> some_values(const DataSet& data, std::int64_t count,
                               const std::function<std::int64_t(std::int64_t)>& index_of) {
  const std::int64_t affordable = std::max<std::int64_t>(1, kMostValues / data.row_elements());
  const std::int64_t rows = std::min({count, kRuns * kRunRows, affordable});
  const std::int64_t runs = std::min(kRuns, rows);
  std::vector<float> found;
  std::vector<std::int64_t> indices;
  std::vector<double> values;
  for (std::int64_t run = 0; run < runs; ++run) {
    const std::int64_t length = rows * (run + 1) / runs - rows * run / runs;
    // The last run ends with the last row. Quotients first, since products may overflow.
    const std::int64_t room = count - length;
    const std::int64_t gaps = std::max<std::int64_t>(1, runs - 1);
    const std::int64_t first = room / gaps * run + room % gaps * run / gaps;
    indices.clear();
    for (std::int64_t i = first; i < first + length; ++i) indices.push_back(index_of(i));
    values.resize(indices.size() * static_cast<std::size_t>(data.row_elements()));
    data.read(indices, values);
    for (const double value : values) {
      if (std::isfinite(value)) found.push_back(static_cast<float>(value));
    }
  }
  return found;
}

ValueRange range_of(std::vector<float> values) {
  if (values.empty()) return {};
  const auto at = [&](double share) {
    const auto place =
        values.begin() + std::llround(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), place, values.end());
    return static_cast<double>(*place);
  };
  return {at(kFarAway), at(1 - kFarAway)};
}

int white_level(const DataSet& data) {
  if (data.type() != ValueType::kUint8) return 255;
  std::vector<std::int64_t> indices;
  std::vector<std::byte> values;
  for (std::int64_t begin = 0; begin < data.size(); begin += kRangeBlockRows) {
    indices.resize(static_cast<std::size_t>(std::min(kRangeBlockRows, data.size() - begin)));
    std::iota(indices.begin(), indices.end(), begin);
    values.resize(indices.size() * static_cast<std::size_t>(data.row_elements()));
    data.read(indices, values.data());
    if (*std::max_element(values.begin(), values.end()) > std::byte{1}) return 255;
  }
  return 1;
}

}  // namespace elbow
