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
      const auto shards = plan_batch(batch, ranks);
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

}  // namespace
}  // namespace elbow
