// How often something is done: "10 steps", "1 epoch", "10 min", "never".
#pragma once

#include <cstdint>
#include <string>

namespace elbow {

struct Interval {
  enum class Unit { kNever, kSteps, kEpochs, kSeconds };
  Unit unit = Unit::kNever;
  double count = 0;  // of the unit; whole for steps and epochs
};

// Throws ConfigError naming the text and showing a valid one.
Interval parse_interval(const std::string& text);

// Seconds, of an interval of time that the option `name` was given. Throws ConfigError naming it
// where the text is none.
double parse_seconds(const std::string& name, const std::string& text);

// A TextCheck: "" when `text` is an interval, else what is wrong with it and a valid example.
std::string interval_problem(const std::string& text);

// Where a run stands after a step. Steps and epochs are counted from the beginning of the run, not
// of the process, so that a run that was interrupted does things at the same steps.
struct IntervalPosition {
  std::int64_t steps_done = 0;
  std::int64_t epochs_done = 0;
  bool epoch_ended = false;         // by the step just done
  double seconds_since_last = 0.0;  // since it was last done, or since the process began
};

// Whether it is time. Intervals of time depend on the clock: ranks that act together must take one
// rank's answer.
bool due(const Interval& interval, const IntervalPosition& now);

}  // namespace elbow
