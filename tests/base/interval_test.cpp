#include "base/interval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace elbow {
namespace {

using Unit = Interval::Unit;
using testing::HasSubstr;

struct Valid {
  const char* text;
  Unit unit;
  double count;
};

TEST(Interval, Parses) {
  for (const auto& [text, unit, count] : std::vector<Valid>{{"10 steps", Unit::kSteps, 10},
                                                            {"1 step", Unit::kSteps, 1},
                                                            {"1 epoch", Unit::kEpochs, 1},
                                                            {"3epochs", Unit::kEpochs, 3},
                                                            {"30 s", Unit::kSeconds, 30},
                                                            {"10 min", Unit::kSeconds, 600},
                                                            {"0.5 h", Unit::kSeconds, 1800},
                                                            {"never", Unit::kNever, 0}}) {
    EXPECT_EQ(interval_problem(text), "") << text;
    const Interval interval = parse_interval(text);
    EXPECT_EQ(interval.unit, unit) << text;
    EXPECT_EQ(interval.count, count) << text;
  }
}

TEST(Interval, RefusesWithAnExample) {
  for (const char* text : {"", "often", "10", "steps", "ten steps", "10 stepz", "10 steps 3",
                           "1e400 s", "- 3 s", "10 ", "1,5 h", "nan s", "inf steps"}) {
    EXPECT_THAT(interval_problem(text), HasSubstr("10 steps")) << text;
  }
  EXPECT_THAT(interval_problem("0 steps"), HasSubstr("above zero"));
  EXPECT_THAT(interval_problem("-1 epoch"), HasSubstr("above zero"));
  EXPECT_THAT(interval_problem("1.5 epochs"), HasSubstr("whole number"));
  EXPECT_THAT(interval_problem("99999999999999999999999 steps"), HasSubstr("too large"));
  EXPECT_THROW(parse_interval("often"), ConfigError);
}

TEST(Interval, StepsCountFromTheBeginningOfTheRun) {
  const Interval every = parse_interval("10 steps");
  EXPECT_FALSE(due(every, {.steps_done = 0}));
  EXPECT_FALSE(due(every, {.steps_done = 9}));
  EXPECT_TRUE(due(every, {.steps_done = 10}));
  EXPECT_FALSE(due(every, {.steps_done = 11}));
  EXPECT_TRUE(due(every, {.steps_done = 1000000}));
}

TEST(Interval, EpochsAreDueAtTheirEndOnly) {
  const Interval every = parse_interval("2 epochs");
  EXPECT_FALSE(due(every, {.steps_done = 50, .epochs_done = 1, .epoch_ended = true}));
  EXPECT_TRUE(due(every, {.steps_done = 100, .epochs_done = 2, .epoch_ended = true}));
  EXPECT_FALSE(due(every, {.steps_done = 101, .epochs_done = 2, .epoch_ended = false}));
  EXPECT_TRUE(due(every, {.steps_done = 200, .epochs_done = 4, .epoch_ended = true}));
}

TEST(Interval, SecondsSinceLast) {
  const Interval every = parse_interval("10 min");
  EXPECT_FALSE(due(every, {.steps_done = 5, .seconds_since_last = 599.9}));
  EXPECT_TRUE(due(every, {.steps_done = 5, .seconds_since_last = 600}));
}

TEST(Interval, Never) {
  EXPECT_FALSE(
      due(parse_interval("never"),
          {.steps_done = 10, .epochs_done = 1, .epoch_ended = true, .seconds_since_last = 1e9}));
}

}  // namespace
}  // namespace elbow
