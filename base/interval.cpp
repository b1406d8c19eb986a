#include "base/interval.h"

#include <cmath>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/text.h"

namespace elbow {
namespace {

constexpr char kExamples[] = "write for example '10 steps', '1 epoch', '10 min', '30 s' or 'never'";

constexpr double kLargest = 1e15;  // whole numbers up to here are exact, and fit an integer

struct UnitName {
  std::string_view name;
  Interval::Unit unit;
  double factor;
};

constexpr UnitName kUnits[] = {
    {"step", Interval::Unit::kSteps, 1},   {"steps", Interval::Unit::kSteps, 1},
    {"epoch", Interval::Unit::kEpochs, 1}, {"epochs", Interval::Unit::kEpochs, 1},
    {"s", Interval::Unit::kSeconds, 1},    {"min", Interval::Unit::kSeconds, 60},
    {"h", Interval::Unit::kSeconds, 3600},
};

const UnitName* find_unit(std::string_view name) {
  for (const auto& unit : kUnits) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

// The interval, or else what is wrong with the text.
std::string parse(std::string_view text, Interval& interval) {
  if (text == "never") {
    interval = {};
    return "";
  }
  const auto number_end = text.find_first_not_of("+-.0123456789");
  double count = 0;
  if (number_end == std::string_view::npos || !parse_number(text.substr(0, number_end), count)) {
    return fmt::format("is not an interval; {}", kExamples);
  }
  const auto unit_begin = text.find_first_not_of(' ', number_end);
  const UnitName* unit =
      unit_begin == std::string_view::npos ? nullptr : find_unit(text.substr(unit_begin));
  if (unit == nullptr) {
    return fmt::format("is not in steps, epochs, s, min or h; {}", kExamples);
  }
  if (!(count > 0)) return "must be above zero, or 'never'";
  if (count > kLargest) return "is too large; write 'never' for that";
  if (unit->unit != Interval::Unit::kSeconds && count != std::floor(count)) {
    return "must be a whole number of steps or epochs";
  }
  interval = {unit->unit, count * unit->factor};
  return "";
}

bool divides(double count, std::int64_t done) {
  return done > 0 && done % static_cast<std::int64_t>(count) == 0;
}

}  // namespace

Interval parse_interval(const std::string& text) {
  Interval interval;
  const std::string problem = parse(text, interval);
  if (!problem.empty()) throw ConfigError(fmt::format("'{}' {}", text, problem));
  return interval;
}

double parse_seconds(const std::string& name, const std::string& text) {
  Interval interval;
  const std::string problem = parse(text, interval);
  const bool is_time = problem.empty() && interval.unit == Interval::Unit::kSeconds;
  if (!is_time) {
    throw ConfigError(
        fmt::format("{} takes a time, such as '30 min' or '11.5 h', and not '{}'", name, text));
  }
  return interval.count;
}

std::string interval_problem(const std::string& text) {
  Interval interval;
  return parse(text, interval);
}

bool due(const Interval& interval, const IntervalPosition& now) {
  switch (interval.unit) {
    case Interval::Unit::kNever:
      return false;
    case Interval::Unit::kSteps:
      return divides(interval.count, now.steps_done);
    case Interval::Unit::kEpochs:
      return now.epoch_ended && divides(interval.count, now.epochs_done);
    case Interval::Unit::kSeconds:
      return now.seconds_since_last >= interval.count;
  }
  return false;
}

}  // namespace elbow
