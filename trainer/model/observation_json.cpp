// Observation to and from the run's model.json.
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/likelihood.h"
#include "trainer/model/observation.h"
#include "trainer/model/observation_names.h"

namespace elbow {
namespace {

// More variables than any sample that fits in memory beside a model.
constexpr std::int64_t kMostVariables = std::int64_t{1} << 28;
constexpr std::int64_t kLargestByte = 255;

[[noreturn]] void refuse(const std::string& problem) {
  throw CheckpointError(fmt::format("model.json: observation: {}", problem));
}

const nlohmann::ordered_json& field(const nlohmann::ordered_json& json, const std::string& name) {
  if (!json.is_object() || !json.contains(name)) refuse(fmt::format("'{}' is missing", name));
  return json[name];
}

std::string text_field(const nlohmann::ordered_json& json, const std::string& name,
                       const std::vector<std::string>& allowed) {
  const auto& value = field(json, name);
  if (value.is_string()) {
    for (const auto& text : allowed) {
      if (value.get<std::string>() == text) return text;
    }
  }
  refuse(fmt::format("'{}' is not one of {}", name, join(allowed, ", ")));
}

std::int64_t integer(const nlohmann::ordered_json& value, const std::string& name,
                     std::int64_t largest) {
  if (!value.is_number_integer())
    refuse(fmt::format("'{}' holds something else than integers", name));
  const auto number = value.get<std::int64_t>();
  if (number < 1 || number > largest) {
    refuse(fmt::format("'{}' holds {}, which is not from 1 to {}", name, number, largest));
  }
  return number;
}

std::vector<std::int64_t> shape_field(const nlohmann::ordered_json& json) {
  const auto& value = field(json, "row_shape");
  if (!value.is_array() || value.empty() || value.size() > 3) {
    refuse("'row_shape' is not a list of one to three numbers");
  }
  std::vector<std::int64_t> shape;
  std::int64_t total = 1;
  for (const auto& side : value) {
    shape.push_back(integer(side, "row_shape", kMostVariables / total));
    total *= shape.back();
  }
  return shape;
}

std::vector<double> numbers_field(const nlohmann::ordered_json& json, const std::string& name,
                                  std::size_t count, bool positive) {
  const auto& value = field(json, name);
  if (!value.is_array() || value.size() != count) {
    refuse(fmt::format("'{}' is not a list of {} numbers", name, count));
  }
  std::vector<double> numbers;
  numbers.reserve(count);
  for (const auto& entry : value) {
    if (!entry.is_number()) refuse(fmt::format("'{}' holds something else than numbers", name));
    const double number = entry.get<double>();
    if (!std::isfinite(number) || (positive && !(number > 0))) {
      refuse(fmt::format("'{}' holds {}", name, number));
    }
    numbers.push_back(number);
  }
  return numbers;
}

std::string type_text(ValueType type) { return type == ValueType::kUint8 ? "uint8" : "float32"; }

// Without "auto": what is stored has been resolved.
template <typename Table>
std::vector<std::string> resolved(const Table& table) {
  auto names = choices(table);
  names.erase(names.begin());
  return names;
}

}  // namespace

nlohmann::ordered_json Observation::to_json() const {
  nlohmann::ordered_json json = {{"row_shape", rows_.shape},
                                 {"type", type_text(rows_.type)},
                                 {"white", rows_.white},
                                 {"values", name_of(kValuesNames, values_)},
                                 {"layout", name_of(kLayoutNames, layout_)},
                                 {"likelihood", likelihood_}};
  if (rows_.range) json["range"] = {rows_.range->low, rows_.range->high};
  if (measure_ == Measure::kLevels) json["levels"] = levels_;
  if (values_ == Values::kStandardised) {
    json["mean"] = statistics_.mean;
    json["deviation"] = statistics_.deviation;
    json["count"] = statistics_.count;
  }
  return json;
}

Observation Observation::from_json(const nlohmann::ordered_json& json) {
  StoredRows rows;
  rows.shape = shape_field(json);
  rows.type = text_field(json, "type", {"uint8", "float32"}) == "uint8" ? ValueType::kUint8
                                                                        : ValueType::kFloat32;
  rows.white = static_cast<int>(integer(field(json, "white"), "white", kLargestByte));
  if (json.contains("range")) {
    const auto ends = numbers_field(json, "range", 2, false);
    rows.range = {ends[0], ends[1]};
  }
  ObservationOptions options;
  options.values = text_field(json, "values", resolved(kValuesNames));
  options.layout = text_field(json, "layout", resolved(kLayoutNames));
  const auto& likelihood = field(json, "likelihood");
  if (!likelihood.is_string()) refuse("'likelihood' is not a text");
  std::optional<VariableStatistics> statistics;
  if (options.values == name_of(kValuesNames, Values::kStandardised)) {
    const auto count = static_cast<std::size_t>(c10::multiply_integers(rows.shape));
    statistics.emplace();
    statistics->mean = numbers_field(json, "mean", count, false);
    statistics->deviation = numbers_field(json, "deviation", count, true);
    statistics->count = integer(field(json, "count"), "count", INT64_MAX);
  }
  try {
    const auto name = likelihood.get<std::string>();
    std::int64_t levels = kLargestByte + 1;
    if (likelihood_kind(name).measure == Measure::kLevels) {
      levels = integer(field(json, "levels"), "levels", levels);
    }
    return Observation(options, std::move(rows), name, std::move(statistics), levels);
  } catch (const ConfigError& error) {
    refuse(error.what());
  }
}

}  // namespace elbow
