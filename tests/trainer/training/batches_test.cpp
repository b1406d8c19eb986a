#include "trainer/training/batches.h"

#include <array>

#include <gtest/gtest.h>

namespace elbow {
namespace {

Order order_of(std::int64_t samples) {
  const std::array<PartLayout, 1> parts = {PartLayout{0, samples, 1}};
  return {Split(3, samples, 0), parts, 3, 8192};
}

TrainingOptions training_of(std::int64_t batch, std::int64_t epochs) {
  TrainingOptions training;
  training.batch = batch;
  training.epochs = epochs;
  return training;
}

TEST(Course, LastBatchOfAnEpochIsSmaller) {
  const Course course(10, training_of(4, 3));
  EXPECT_EQ(course.steps_per_epoch(), 3);
  EXPECT_EQ(course.steps(), 9);
  EXPECT_EQ(course.at(2).begin, 8);
  EXPECT_EQ(course.at(2).end, 10);
  EXPECT_EQ(course.at(3).epoch, 1);
  EXPECT_EQ(course.at(3).begin, 0);
}

TEST(Course, StagesFollowOneAnotherWithEpochsOfTheirOwn) {
  TrainingOptions training = training_of(4, 3);
  training.later_epochs = 2;
  const Course course(10, training, 3);
  EXPECT_EQ(course.epochs(), 3 + 2 + 2);
  EXPECT_EQ(course.steps(), 7 * 3);
  EXPECT_EQ(course.at(8).stage, 0);
  EXPECT_EQ(course.at(9).stage, 1);
  EXPECT_EQ(course.at(9).epoch, 3);
  EXPECT_EQ(course.at(20).stage, 2);
  EXPECT_EQ(course.stage_begin(1), 9);
  EXPECT_EQ(course.stage_begin(3), course.steps());
  EXPECT_EQ(course.stage_samples(0), 30);
  EXPECT_EQ(course.stage_samples(2), 20);
  EXPECT_EQ(course.seen_in_stage(course.at(8)), 29);   // 20 + 8, and half of a batch of 2
  EXPECT_EQ(course.seen_in_stage(course.at(13)), 16);  // 10 + 4, and half of one of 4
  training.later_epochs = 0;
  EXPECT_EQ(Course(10, training, 2).epochs(), 3 + 3);
}

// 10 samples are 3 steps: the first stage is steps 0 to 9, the second 9 to 15.
TEST(Course, KnowsWhichStagesAndStepsGoTogether) {
  TrainingOptions training = training_of(4, 3);
  training.later_epochs = 2;
  const Course course(10, training, 2);
  for (const auto& [stage, step] : {std::pair{0, 0}, {0, 9}, {1, 9}, {1, 15}}) {
    EXPECT_TRUE(course.holds(stage, step)) << stage << ", " << step;
  }
  for (const auto& [stage, step] : {std::pair{0, 10}, {1, 8}, {1, 16}, {2, 15}, {-1, 0}, {0, -1}}) {
    EXPECT_FALSE(course.holds(stage, step)) << stage << ", " << step;
  }
}

TEST(Course, ContinuesOneWhoseEarlierStagesAreAsLong) {
  TrainingOptions training = training_of(4, 3);
  const Course before(10, training, 2);
  training.later_epochs = 5;  // the second stage is longer, the first as it was
  EXPECT_TRUE(Course(10, training, 2).continues(before, 1));
  training.epochs = 4;
  EXPECT_FALSE(Course(10, training, 2).continues(before, 1));
  EXPECT_TRUE(Course(10, training, 2).continues(before, 0));
}

// A million and three samples: nothing divides them, and each is used exactly once at each number
// of ranks, at the same step.
class Shards : public testing::TestWithParam<std::int64_t> {};

TEST_P(Shards, AreTheSameSamplesStepByStepAtAnyNumberOfRanks) {
  const std::int64_t samples = GetParam();
  const Order order = order_of(samples);
  const Course course(samples, training_of(1000, 1));
  const TrainingOptions options;
  for (int world = 1; world <= 4; ++world) {
    std::vector<RankShards> ranks;
    for (int rank = 0; rank < world; ++rank) {
      ranks.emplace_back(order, course, options, rank, world, 0);
    }
    RankShards alone(order, course, options, 0, 1, 0);
    std::vector<bool> seen(static_cast<std::size_t>(samples), false);
    while (const auto expected = alone.next()) {
      std::vector<std::int64_t> together;
      const auto batch = static_cast<std::int64_t>(expected->size());
      for (const ShardRange& shard : plan_batch(batch, world, world)) {
        if (shard.size() == 0) continue;
        const auto part = ranks[static_cast<std::size_t>(shard.rank)].next();
        ASSERT_TRUE(part.has_value());
        together.insert(together.end(), part->begin(), part->end());
      }
      ASSERT_EQ(together, *expected);
      for (const std::int64_t index : together) {
        ASSERT_FALSE(seen[static_cast<std::size_t>(index)]);
        seen[static_cast<std::size_t>(index)] = true;
      }
    }
    for (RankShards& rank : ranks) EXPECT_FALSE(rank.next().has_value());
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), samples);
  }
}

INSTANTIATE_TEST_SUITE_P(Samples, Shards, testing::Values(1, 7, 1000003));

// With reproducible sums the shards themselves are the same at any number of ranks.
TEST(Shards, OfReproducibleSumsDontDependOnTheRanks) {
  const Order order = order_of(103);
  const Course course(103, training_of(40, 2));
  TrainingOptions options;
  options.sum = "reproducible";
  options.shards = 6;
  std::vector<std::vector<std::int64_t>> expected;
  RankShards alone(order, course, options, 0, 1, 0);
  while (const auto shard = alone.next()) expected.push_back(*shard);
  EXPECT_EQ(expected.size(), 2U * (6 + 6 + 5));  // 40, 40 and 23 samples, four or more a shard
  for (int world = 2; world <= 8; ++world) {
    std::vector<RankShards> ranks;
    for (int rank = 0; rank < world; ++rank) {
      ranks.emplace_back(order, course, options, rank, world, 0);
    }
    std::vector<std::vector<std::int64_t>> all;
    for (std::int64_t step = 0; step < course.steps(); ++step) {
      const std::int64_t shards = shard_count(options, course.at(step).size(), world);
      for (const ShardRange& shard : plan_batch(course.at(step).size(), shards, world)) {
        all.push_back(*ranks[static_cast<std::size_t>(shard.rank)].next());
      }
    }
    EXPECT_EQ(all, expected) << world;
  }
}

TEST(Shards, GoOnFromAnyStep) {
  const Order order = order_of(50);
  const Course course(50, training_of(20, 2));
  RankShards whole(order, course, {}, 0, 1, 0);
  for (int step = 0; step < 4; ++step) whole.next();
  RankShards rest(order, course, {}, 0, 1, 4);
  while (const auto expected = whole.next()) EXPECT_EQ(rest.next(), expected);
  EXPECT_FALSE(rest.next().has_value());
}

TEST(Shards, EpochsHaveOrdersOfTheirOwn) {
  const Order order = order_of(100);
  RankShards batches(order, Course(100, training_of(100, 2)), {}, 0, 1, 0);
  const auto first = batches.next();
  const auto second = batches.next();
  EXPECT_NE(*first, *second);
}

}  // namespace
}  // namespace elbow
