#include "trainer/training/batches.h"

#include <array>

#include <gtest/gtest.h>

namespace elbow {
namespace {

Order order_of(std::int64_t samples) {
  const std::array<PartLayout, 1> parts = {PartLayout{0, samples, 1}};
  return {Split(3, samples, 0), parts, 3, 8192};
}

TEST(Course, LastBatchOfAnEpochIsSmaller) {
  const Course course(10, 4, 3);
  EXPECT_EQ(course.steps_per_epoch(), 3);
  EXPECT_EQ(course.steps(), 9);
  EXPECT_EQ(course.at(2).begin, 8);
  EXPECT_EQ(course.at(2).end, 10);
  EXPECT_EQ(course.at(3).epoch, 1);
  EXPECT_EQ(course.at(3).begin, 0);
}

// A million and three samples: nothing divides them, and each is used exactly once at each number
// of ranks, at the same step.
class Batches : public testing::TestWithParam<std::int64_t> {};

TEST_P(Batches, AreTheSameStepByStepAtAnyNumberOfRanks) {
  const std::int64_t samples = GetParam();
  const Order order = order_of(samples);
  const Course course(samples, 1000, 1);
  for (int world = 1; world <= 4; ++world) {
    std::vector<RankBatches> ranks;
    for (int rank = 0; rank < world; ++rank) ranks.emplace_back(order, course, rank, world);
    RankBatches alone(order, course, 0, 1);
    std::vector<bool> seen(static_cast<std::size_t>(samples), false);
    while (const auto expected = alone.next()) {
      std::vector<std::int64_t> together;
      for (RankBatches& rank : ranks) {
        const auto part = rank.next();
        ASSERT_TRUE(part.has_value());
        together.insert(together.end(), part->begin(), part->end());
      }
      ASSERT_EQ(together, *expected);
      for (const std::int64_t index : together) {
        ASSERT_FALSE(seen[static_cast<std::size_t>(index)]);
        seen[static_cast<std::size_t>(index)] = true;
      }
    }
    for (RankBatches& rank : ranks) EXPECT_FALSE(rank.next().has_value());
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), samples);
  }
}

INSTANTIATE_TEST_SUITE_P(Samples, Batches, testing::Values(1, 7, 1000003));

TEST(Batches, EpochsHaveOrdersOfTheirOwn) {
  const Order order = order_of(100);
  RankBatches batches(order, Course(100, 100, 2), 0, 1);
  const auto first = batches.next();
  const auto second = batches.next();
  EXPECT_NE(*first, *second);
}

}  // namespace
}  // namespace elbow
