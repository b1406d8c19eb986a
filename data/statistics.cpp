#include "data/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "data/loader.h"

namespace elbow {
namespace {

constexpr std::int64_t kBlockBytes = 8 << 20;
constexpr std::int64_t kBlockRows = 1024;

// Mean and sum of squared differences from it, of each variable.
struct Moments {
  explicit Moments(std::size_t variables) : mean(variables), squares(variables) {}

  std::int64_t count = 0;
  std::vector<double> mean;
  std::vector<double> squares;

  void clear() {
    count = 0;
    std::fill(mean.begin(), mean.end(), 0.0);
    std::fill(squares.begin(), squares.end(), 0.0);
  }

  template <typename Value>
  void add_row(const Value* row) {
    const double share = 1.0 / static_cast<double>(++count);
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const double x = static_cast<double>(row[i]);
      const double before = x - mean[i];
      mean[i] += share * before;
      squares[i] += before * (x - mean[i]);
    }
  }

  void merge(const Moments& other) {
    if (other.count == 0) return;
    const auto n = static_cast<double>(count);
    const auto m = static_cast<double>(other.count);
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const double difference = other.mean[i] - mean[i];
      mean[i] += difference * m / (n + m);
      squares[i] += other.squares[i] + difference * difference * (n * m / (n + m));
    }
    count += other.count;
  }
};

void add_batch(const Batch& batch, std::int64_t row_elements, Moments& moments) {
  auto skip = batch.not_finite.begin();
  for (std::int64_t row = 0; row < batch.count(); ++row) {
    if (skip != batch.not_finite.end() && *skip == row) {
      ++skip;
      continue;
    }
    const std::int64_t start = row * row_elements;
    if (batch.type == ValueType::kUint8) {
      moments.add_row(reinterpret_cast<const std::uint8_t*>(batch.values.data()) + start);
    } else {
      moments.add_row(reinterpret_cast<const float*>(batch.values.data()) + start);
    }
  }
}

}  // namespace

VariableStatistics compute_statistics(const DataSet& data, std::int64_t count,
                                      const std::function<std::int64_t(std::int64_t)>& index_of) {
  const auto variables = static_cast<std::size_t>(data.row_elements());
  const std::int64_t rows = std::clamp<std::int64_t>(kBlockBytes / data.row_bytes(), 1, kBlockRows);
  Moments total(variables);
  Moments block(variables);
  Batch batch;
  for (std::int64_t start = 0; start < count; start += rows) {
    batch.indices.clear();
    for (std::int64_t i = start; i < std::min(start + rows, count); ++i) {
      batch.indices.push_back(index_of(i));
    }
    fill_batch(data, nullptr, batch);
    block.clear();
    add_batch(batch, data.row_elements(), block);
    total.merge(block);
  }
  if (total.count == 0) {
    throw DataError(fmt::format(
        "each of the {} samples of {} that were read holds a NaN or an infinity: nothing is left; "
        "leave a variable that is always missing out of the file",
        human_count(count), data.name()));
  }
  VariableStatistics statistics;
  statistics.count = total.count;
  statistics.mean = std::move(total.mean);
  statistics.deviation = std::move(total.squares);
  for (double& value : statistics.deviation) {
    value = value > 0 ? std::sqrt(value / static_cast<double>(total.count)) : 1.0;
  }
  return statistics;
}

}  // namespace elbow
