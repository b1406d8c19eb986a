#include "monitoring/report/code_summary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <set>

#include "monitoring/report/thinned_rows.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;
using Vector = std::vector<double>;

constexpr std::int64_t kMostPoints = 1500;
constexpr int kIterations = 100;
constexpr std::size_t kMostClasses = 16;  // as many looks as the page's points have

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// Makes `v` orthogonal to `to` (of length 1 or 0), and of length 1 where that can be.
void orthonormalise(Vector& v, const Vector& to) {
  const double along = dot(v, to);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] -= along * to[i];
  const double length = std::sqrt(dot(v, v));
  for (double& x : v) x = length > 0 ? x / length : 0;
}

// rows_ND^T rows_ND v
Vector scattered(std::span<const double> rows_ND, const Vector& v) {
  Vector result(v.size());
  for (std::size_t i = 0; i < rows_ND.size(); i += v.size()) {
    const auto row = rows_ND.subspan(i, v.size());
    const double along = dot(row, v);
    for (std::size_t j = 0; j < v.size(); ++j) result[j] += along * row[j];
  }
  return result;
}

// The two directions of largest variance of centred rows, by orthogonal iteration from two that are
// orthogonal to none of them but by accident.
std::array<Vector, 2> principal_axes(std::span<const double> rows_ND, std::size_t units) {
  std::array<Vector, 2> axes = {Vector(units), Vector(units)};
  for (std::size_t d = 0; d < units; ++d) {
    axes[0][d] = std::cos(1 + static_cast<double>(d));
    axes[1][d] = std::cos(1 + std::numbers::sqrt2 * static_cast<double>(d));
  }
  const Vector none(units);
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    axes = {scattered(rows_ND, axes[0]), scattered(rows_ND, axes[1])};
    orthonormalise(axes[0], none);
    orthonormalise(axes[1], axes[0]);
  }
  return axes;
}

Json rounded_list(const Vector& values, double factor) {
  Json list = Json::array();
  for (double value : values) list.push_back(rounded(value * factor));
  return list;
}

}  // namespace

CodeSummary::CodeSummary(std::int64_t count, std::int64_t units)
    : units_(units),
      stride_(std::max<std::int64_t>(1, (count + kMostPoints - 1) / kMostPoints)),
      kl_(static_cast<std::size_t>(units)),
      mean_(kl_.size()),
      square_(kl_.size()) {}

void CodeSummary::add(std::span<const double> mean_ND, std::span<const double> deviation_ND,
                      std::span<const double> label_N) {
  const auto units = static_cast<std::size_t>(units_);
  has_kl_ = has_kl_ && deviation_ND.size() == mean_ND.size();
  for (std::size_t i = 0; i < mean_ND.size(); i += units, ++seen_) {
    const auto mean = mean_ND.subspan(i, units);
    const auto deviation = has_kl_ ? deviation_ND.subspan(i, units) : std::span<const double>();
    const auto finite = [](double value) { return std::isfinite(value); };
    const auto positive = [](double value) { return std::isfinite(value) && value > 0; };
    if (!std::all_of(mean.begin(), mean.end(), finite) ||
        !std::all_of(deviation.begin(), deviation.end(), positive)) {
      continue;
    }
    add_row(mean, deviation);
    if (seen_ % stride_ != 0) continue;
    picked_rows_.insert(picked_rows_.end(), mean.begin(), mean.end());
    if (!label_N.empty()) picked_labels_.push_back(label_N[i / units]);
  }
}

void CodeSummary::add_row(std::span<const double> mean, std::span<const double> deviation) {
  ++count_;
  for (std::size_t d = 0; d < mean.size(); ++d) {
    // Welford 1962: exact however far the mean is from 0.
    const double delta = mean[d] - mean_[d];
    mean_[d] += delta / static_cast<double>(count_);
    square_[d] += delta * (mean[d] - mean_[d]);
    if (deviation.empty()) continue;
    const double variance = deviation[d] * deviation[d];
    kl_[d] += 0.5 * (mean[d] * mean[d] + variance - 1 - std::log(variance));
  }
}

Json CodeSummary::plane() const {
  const auto units = static_cast<std::size_t>(units_);
  Vector rows = picked_rows_;
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] -= mean_[i % units];
  const auto axes = principal_axes(rows, units);
  const double total = dot(rows, rows);
  Json points = Json::array();
  std::array<double, 2> along = {0, 0};
  for (std::size_t i = 0; i < rows.size(); i += units) {
    const auto row = std::span<const double>(rows).subspan(i, units);
    const double a = dot(row, axes[0]);
    const double b = dot(row, axes[1]);
    along = {along[0] + a * a, along[1] + b * b};
    points.push_back({rounded(static_cast<float>(a)), rounded(static_cast<float>(b))});
  }
  return {{"points", points},
          {"shares",
           {total > 0 ? rounded(along[0] / total) : 0, total > 0 ? rounded(along[1] / total) : 0}}};
}

Json CodeSummary::classes() const {
  const bool all_have_one =
      picked_labels_.size() * static_cast<std::size_t>(units_) == picked_rows_.size();
  const auto is_whole = [](double label) { return label == std::floor(label); };
  if (!all_have_one || !std::all_of(picked_labels_.begin(), picked_labels_.end(), is_whole)) {
    return Json::object();
  }
  const std::set<double> found(picked_labels_.begin(), picked_labels_.end());
  if (found.size() > kMostClasses) return Json::object();
  Json places = Json::array();
  for (const double label : picked_labels_) {
    places.push_back(std::distance(found.begin(), found.find(label)));
  }
  return {{"classes", found}, {"class_of_point", places}};
}

Json CodeSummary::to_json() const {
  Json json = {{"count", count_}, {"left_out", seen_ - count_}, {"units", units_}};
  if (count_ == 0) return json;
  const double share = 1 / static_cast<double>(count_);
  json["kl"] = has_kl_ ? rounded_list(kl_, share) : Json();
  json["variance"] = rounded_list(square_, share);
  if (units_ >= 2) {
    json.update(plane());
    json.update(classes());
  }
  return json;
}

}  // namespace elbow
