#include "trainer/training/plan.h"

namespace elbow {

std::vector<ShardRange> plan_batch(std::int64_t batch, int world_size) {
  std::vector<ShardRange> shards;
  for (int rank = 0; rank < world_size; ++rank) {
    shards.push_back({batch * rank / world_size, batch * (rank + 1) / world_size, rank});
  }
  return shards;
}

}  // namespace elbow
