#include "monitoring/report/thinned_rows.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace elbow {

using Json = nlohmann::ordered_json;

double rounded(double value) {
  double result = value;
  if (std::isfinite(value)) parse_number(fmt::format("{:.7g}", value), result);
  return result;
}

void ThinnedRows::Value::merge(const Value& other) {
  sum += other.sum;
  count += other.count;
  low = std::min(low, other.low);
  high = std::max(high, other.high);
}

void ThinnedRows::Point::merge(const Point& later) {
  position = later.position;
  rows += later.rows;
  for (std::size_t i = 0; i < values.size(); ++i) values[i].merge(later.values[i]);
}

ThinnedRows::ThinnedRows(std::vector<std::string> names) : names_(std::move(names)) {}

void ThinnedRows::add(const RowPosition& position, std::span<const double> values) {
  Point row{position, 1, std::vector<Value>(names_.size())};
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (std::isfinite(values[i])) row.values[i] = {values[i], 1, values[i], values[i]};
  }
  ++rows_;
  if (!points_.empty() && points_.back().rows < rows_per_point_) {
    points_.back().merge(row);
    return;
  }
  if (points_.size() == kMostPoints) halve();
  points_.push_back(std::move(row));
}

void ThinnedRows::halve() {
  static_assert(kMostPoints % 2 == 0, "pairs come out even, so that every point is full");
  for (std::size_t i = 0; i < points_.size() / 2; ++i) {
    Point pair = std::move(points_[2 * i]);
    pair.merge(points_[2 * i + 1]);
    points_[i] = std::move(pair);
  }
  points_.resize(points_.size() / 2);
  rows_per_point_ *= 2;
}

Json ThinnedRows::field_json(std::size_t field) const {
  Json mean = Json::array();
  Json low = Json::array();
  Json high = Json::array();
  bool any = false;
  for (const Point& point : points_) {
    const Value& value = point.values[field];
    const bool known = value.count > 0;
    any = any || known;
    // A mean of huge values may overflow, and is then as unknown as none.
    const double average = value.sum / static_cast<double>(value.count);
    mean.push_back(known && std::isfinite(average) ? Json(rounded(average)) : Json());
    if (rows_per_point_ == 1) continue;
    low.push_back(known ? Json(rounded(value.low)) : Json());
    high.push_back(known ? Json(rounded(value.high)) : Json());
  }
  if (!any) return {};
  return rows_per_point_ == 1 ? Json{{"mean", mean}}
                              : Json{{"mean", mean}, {"low", low}, {"high", high}};
}

Json ThinnedRows::to_json() const {
  Json json = {{"rows", rows_},
               {"rows_per_point", rows_per_point_},
               {"step", Json::array()},
               {"samples", Json::array()},
               {"seconds", Json::array()},
               {"fields", Json::object()}};
  for (const Point& point : points_) {
    json["step"].push_back(point.position.step);
    json["samples"].push_back(point.position.samples);
    json["seconds"].push_back(rounded(point.position.seconds));
  }
  for (std::size_t i = 0; i < names_.size(); ++i) {
    Json field = field_json(i);
    if (!field.is_null()) json["fields"][names_[i]] = std::move(field);
  }
  return json;
}

}  // namespace elbow
