#include "data/split.h"

#include <cmath>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using testing::HasSubstr;

struct SplitCase {
  std::int64_t size;
  std::int64_t held_out;
};

class Splits : public testing::TestWithParam<SplitCase> {};

// Everything that can be asked of a split, against one pass over is_held_out.
TEST_P(Splits, AgreesWithItselfAndCountsEachSampleOnce) {
  const auto [size, held_out] = GetParam();
  const Split split(17, size, held_out);
  ASSERT_EQ(split.held_out_count(), held_out);
  ASSERT_EQ(split.training_count(), size - held_out);
  std::int64_t trained = 0;
  std::int64_t held = 0;
  for (std::int64_t i = 0; i < size; ++i) {
    ASSERT_EQ(split.training_before(i), trained);
    if (split.is_held_out(i)) {
      ASSERT_EQ(split.held_out(held), i);
      ++held;
    } else {
      ASSERT_EQ(split.training(trained), i);
      ++trained;
    }
  }
  EXPECT_EQ(split.training_before(size), trained);
  EXPECT_EQ(held, held_out);
  EXPECT_EQ(trained, size - held_out);
  EXPECT_THROW(split.training(trained), Error);
  EXPECT_THROW(split.training(-1), Error);
  EXPECT_THROW(split.held_out(held), Error);
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, Splits,
    testing::Values(SplitCase{1, 0}, SplitCase{7, 0}, SplitCase{7, 1}, SplitCase{7, 6},
                    SplitCase{63, 5}, SplitCase{64, 1}, SplitCase{64, 63}, SplitCase{65, 64},
                    SplitCase{128, 127}, SplitCase{1000, 50}, SplitCase{1000, 999},
                    SplitCase{4096, 2048}, SplitCase{1000003, 50000}, SplitCase{1000003, 1},
                    SplitCase{1000003, 1000002}, SplitCase{1000003, 0}),
    [](const auto& info) {
      return std::to_string(info.param.size) + "_" + std::to_string(info.param.held_out);
    });

TEST(Split, EveryBlockGivesItsShare) {
  const Split split(3, 64000, 3200);
  for (std::int64_t block = 0; block < 1000; ++block) {
    std::int64_t held = 64;
    held -= split.training_before(64 * (block + 1)) - split.training_before(64 * block);
    // 3.2 rows a block on average.
    ASSERT_GE(held, 3);
    ASSERT_LE(held, 4);
  }
}

TEST(Split, WorksOnSizesBeyond32Bits) {
  const std::int64_t size = std::int64_t{1} << 60;
  const Split split(3, size, size / 20);
  for (const std::int64_t ordinal : {std::int64_t{0}, size / 3, split.training_count() - 1}) {
    const std::int64_t index = split.training(ordinal);
    EXPECT_FALSE(split.is_held_out(index));
    EXPECT_EQ(split.training_before(index), ordinal);
  }
  const std::int64_t last = split.held_out(split.held_out_count() - 1);
  EXPECT_TRUE(split.is_held_out(last));
  EXPECT_LT(last, size);
}

// Each of 10 rows is held out equally often, in a block and across the edge of a short one, over
// 20,000 seeds: counts have mean 20,000 * 3/10 and deviation 64.8; 5 deviations allowed.
TEST(Split, EveryRowIsAsLikely) {
  std::vector<double> counts(10);
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    const Split split(seed, 10, 3);
    for (std::int64_t i = 0; i < 3; ++i) ++counts[static_cast<std::size_t>(split.held_out(i))];
  }
  for (const double count : counts) EXPECT_LT(std::abs(count - 6000), 5 * 64.8);

  // 70 rows, 7 held out: rows of the short block as often as the others. Deviation sqrt(n p q)
  // = 42.
  std::vector<double> wide(70);
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    const Split split(seed, 70, 7);
    for (std::int64_t i = 0; i < 7; ++i) ++wide[static_cast<std::size_t>(split.held_out(i))];
  }
  for (const double count : wide) EXPECT_LT(std::abs(count - 2000), 5 * 42.5);
}

TEST(Split, DependsOnTheSeed) {
  const Split a(1, 1000, 100);
  const Split b(2, 1000, 100);
  std::int64_t both = 0;
  for (std::int64_t i = 0; i < 1000; ++i) both += a.is_held_out(i) && b.is_held_out(i) ? 1 : 0;
  // 10 are expected of independent choices, with deviation 3.
  EXPECT_LT(both, 30);
}

TEST(Split, LeavesSomethingToTrainOn) {
  EXPECT_THAT(test::message_of<ConfigError>([] { Split(1, 5, 5); }),
              AllOf(HasSubstr("5 of 5"), HasSubstr("none to train on")));
  EXPECT_THROW(Split(1, 5, -1), ConfigError);
}

TEST(HeldOutCount, FractionsAndCounts) {
  EXPECT_EQ(held_out_count("0.05", 60000), 3000);
  EXPECT_EQ(held_out_count("5000", 60000), 5000);
  EXPECT_EQ(held_out_count("1", 60000), 1);
  EXPECT_EQ(held_out_count("0", 60000), 0);
  EXPECT_EQ(held_out_count("0.05", 7), 1) << "a fraction holds out at least one sample";
  EXPECT_EQ(held_out_count("0.99", 7), 6) << "and leaves at least one";
  EXPECT_EQ(held_out_count("0.5", 1), 0);
}

TEST(HeldOutCount, RefusesTheRest) {
  for (const char* bad : {"five", "-1", "1.5", "0.5x", "", "nan"}) {
    EXPECT_THROW(held_out_count(bad, 100), ConfigError) << bad;
  }
  EXPECT_THAT(test::message_of<ConfigError>([] { held_out_count("100", 100); }),
              HasSubstr("none to train on"));
}

}  // namespace
}  // namespace elbow
