#include "trainer/model/stored_rows.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

namespace elbow {
namespace {

// A range so many times as wide as another is on another scale: beyond what parts of the same data
// differ by, and below 255, 17 (levels of 8 bits over those of 4) and 1000.
constexpr double kOtherScale = 16;
// A share of the width of the training set's range: what lies farther beyond its ends is outside.
constexpr double kMargin = 0.25;
constexpr double kMostOutside = 0.25;  // share of the values
// Fewer values don't tell where all of them lie.
constexpr std::size_t kFewValues = 1000;

std::string range_text(const ValueRange& range) {
  return fmt::format("{:.4g} to {:.4g}", range.low, range.high);
}

std::string type_name(ValueType type) {
  return type == ValueType::kUint8 ? "8-bit values" : "floating-point values";
}

// What is wrong, and whether it is certain to be.
struct Verdict {
  std::string problem;
  bool certain = false;
};

Verdict compare_levels(const DataSet& data, const StoredRows& trained) {
  if (trained.type != ValueType::kUint8 || white_level(data) == trained.white) return {};
  const auto levels = [](bool binary) { return binary ? "0 and 1 alone" : "grey levels above 1"; };
  return {fmt::format("{} holds {}, and the model was trained on {}", data.name(),
                      levels(trained.white != 1), levels(trained.white == 1)),
          true};
}

Verdict compare_ranges(const DataSet& data, const ValueRange& trained) {
  const auto values = some_values(data, data.size(), [](std::int64_t i) { return i; });
  const ValueRange given = range_of(values);
  if (values.empty() || !(trained.width() > 0)) return {};
  const auto many_outside = [&](double margin) {
    const auto outside = std::count_if(values.begin(), values.end(), [&](double value) {
      return value < trained.low - margin || value > trained.high + margin;
    });
    return static_cast<double>(outside) > kMostOutside * static_cast<double>(values.size());
  };
  const double margin = kMargin * trained.width();
  const double ratio = given.width() / trained.width();
  const bool few = values.size() < kFewValues;
  // Data of one value alone have no width to compare, but lie somewhere.
  const bool certain = many_outside(kOtherScale * trained.width()) ||
                       (!few && (ratio > kOtherScale || (ratio > 0 && ratio < 1 / kOtherScale) ||
                                 many_outside(margin)));
  const bool moved =
      !few && ratio > 0 &&
      (std::abs(given.low - trained.low) > margin || std::abs(given.high - trained.high) > margin);
  if (!certain && !moved) return {};
  return {fmt::format("the values of {} are from {}, and those that the model was trained on from "
                      "{}",
                      data.name(), range_text(given), range_text(trained)),
          certain};
}

}  // namespace

StoredRows stored_rows(const DataSet& data, std::int64_t count,
                       const std::function<std::int64_t(std::int64_t)>& index_of) {
  return {data.row_shape(), data.type(), white_level(data),
          range_of(some_values(data, count, index_of))};
}

void require_same_rows(const DataSet& data, const StoredRows& trained) {
  if (data.row_shape() == trained.shape && data.type() == trained.type) return;
  throw DataError(fmt::format(
      "{} holds rows of shape {} and type {}; the model was trained on rows of shape {} and {}",
      data.name(), shape_text(data.row_shape()), data.stored_type(), shape_text(trained.shape),
      type_name(trained.type)));
}

Mismatch mismatch_of(const std::string& option) {
  return option == "warn" ? Mismatch::kWarn : Mismatch::kStop;
}

void require_same_scale(const DataSet& data, const StoredRows& trained, Mismatch mismatch) {
  Verdict verdict = compare_levels(data, trained);
  if (verdict.problem.empty() && trained.range) verdict = compare_ranges(data, *trained.range);
  if (verdict.problem.empty()) return;
  if (!verdict.certain) {
    log::warning("{}: are they scaled alike?", verdict.problem);
    return;
  }
  if (mismatch == Mismatch::kWarn) {
    log::warning("{}: figures and codes of such data mean little", verdict.problem);
    return;
  }
  throw DataError(fmt::format(
      "{}: bring them to the same scale, or take them as they are with --data.mismatch warn",
      verdict.problem));
}

}  // namespace elbow
