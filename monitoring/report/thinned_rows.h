// Rows of numbers, thinned while they arrive: a curve of any length in bounded memory.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace elbow {

// Where a row of metrics lies, by any of the axes that curves are drawn over.
struct RowPosition {
  double step = 0;
  double samples = 0;
  double seconds = 0;  // of training, over all sessions
};

// Keeps at most kMostPoints. Each stands for equally many neighbouring rows (the last for what is
// left): their mean, least and greatest value, at the position of their last.
class ThinnedRows {
 public:
  static constexpr std::size_t kMostPoints = 600;

  explicit ThinnedRows(std::vector<std::string> names);

  // A value for each name; NaN where there is none.
  void add(const RowPosition& position, std::span<const double> values);

  std::int64_t rows() const { return rows_; }

  // {rows, rows_per_point, step: [...], samples: [...], seconds: [...],
  //  fields: {name: {mean: [...], low: [...], high: [...]}}}, without the fields that have no
  //  value.
  nlohmann::ordered_json to_json() const;

 private:
  struct Value {
    double sum = 0;
    std::int64_t count = 0;
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();

    void merge(const Value& other);
  };
  struct Point {
    RowPosition position;
    std::int64_t rows = 0;
    std::vector<Value> values;

    void merge(const Point& later);
  };

  void halve();
  nlohmann::ordered_json field_json(std::size_t field) const;

  std::vector<std::string> names_;
  std::vector<Point> points_;
  std::int64_t rows_ = 0;
  std::int64_t rows_per_point_ = 1;
};

// A number to seven digits, which no screen shows more of.
double rounded(double value);

}  // namespace elbow
