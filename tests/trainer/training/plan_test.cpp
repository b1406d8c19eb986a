#include "trainer/training/plan.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace elbow {
namespace {

TEST(PlanBatch, CutsTheBatchIntoContiguousShardsOfNearlyEqualSize) {
  for (const std::int64_t batch : {0, 1, 5, 7, 256, 1000003}) {
    for (int ranks = 1; ranks <= 9; ++ranks) {
      std::int64_t next = 0;
      std::int64_t smallest = batch;
      std::int64_t largest = 0;
      const auto shards = plan_batch(batch, ranks, ranks);
      ASSERT_EQ(static_cast<int>(shards.size()), ranks);
      for (int rank = 0; rank < ranks; ++rank) {
        const ShardRange& shard = shards[static_cast<std::size_t>(rank)];
        EXPECT_EQ(shard.rank, rank);
        EXPECT_EQ(shard.begin, next);
        next = shard.end;
        smallest = std::min(smallest, shard.size());
        largest = std::max(largest, shard.size());
      }
      EXPECT_EQ(next, batch);
      EXPECT_LE(largest - smallest, 1);
    }
  }
}

TEST(PlanBatch, SpreadsMoreOrFewerShardsThanRanks) {
  const auto plan = plan_batch(10, 4, 3);
  std::vector<int> owners;
  for (const ShardRange& shard : plan) owners.push_back(shard.rank);
  EXPECT_EQ(owners, (std::vector<int>{0, 1, 2, 2}));
  EXPECT_EQ(plan.back().end, 10);
  EXPECT_EQ(plan_batch(10, 1, 3).size(), 1U);
}

TEST(ShardCount, OfReproducibleSumsDependsOnTheBatchAlone) {
  TrainingOptions options;
  options.sum = "reproducible";
  options.shards = 8;
  for (int ranks : {1, 2, 5, 8, 64}) {
    EXPECT_EQ(shard_count(options, 256, ranks), 8);
    EXPECT_EQ(shard_count(options, 23, ranks), 5);  // of four samples or more
    EXPECT_EQ(shard_count(options, 3, ranks), 1);
  }
  options.accumulation = 2;
  EXPECT_EQ(shard_count(options, 256, 3), 16);
  options.sum = "fast";
  EXPECT_EQ(shard_count(options, 256, 3), 6);
}

}  // namespace
}  // namespace elbow
