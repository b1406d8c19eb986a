#include "trainer/comm/watch/job_options.h"

#include <limits>

#include "base/interval.h"

namespace elbow {
namespace {

// Ranks tell where they are twice a second: anything shorter could not be kept.
constexpr double kShortestLimit = 2;

std::string limit_problem(const std::string& text) {
  constexpr char kNoTime[] = "is not a time; write for example '30 s', '10 min', '1 h' or 'never'";
  if (!interval_problem(text).empty()) return kNoTime;
  const Interval limit = parse_interval(text);
  if (limit.unit == Interval::Unit::kNever) return "";
  if (limit.unit != Interval::Unit::kSeconds) return kNoTime;
  return limit.count < kShortestLimit ? "must be 2 s or more, or 'never'" : "";
}

double seconds_of(const std::string& limit) {
  const Interval interval = parse_interval(limit);
  return interval.unit == Interval::Unit::kNever ? std::numeric_limits<double>::infinity()
                                                 : interval.count;
}

}  // namespace

void declare(OptionTable& table, JobOptions& options) {
  table
      .add("job.collective_limit", &options.collective_limit,
           "how long ranks may wait for each other, or a rank be stopped, before the job ends with "
           "exit code 5: N s, N min, N h, never",
           TextCheck(limit_problem))
      .may_change = true;
  table
      .add("job.straggler_after", &options.straggler_after,
           "how long ranks wait for another one before it is named as a straggler, in the log and "
           "the metrics: N s, N min, N h, never",
           TextCheck(limit_problem))
      .may_change = true;
  table
      .add("job.link_limit", &options.link_limit,
           "how long a network link may be cut before the job ends with exit code 5: N s, N min, N "
           "h, never",
           TextCheck(limit_problem))
      .may_change = true;
}

WatchLimits limits_of(const JobOptions& options) {
  return {seconds_of(options.collective_limit), seconds_of(options.straggler_after),
          seconds_of(options.link_limit)};
}

}  // namespace elbow
