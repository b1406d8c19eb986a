#include "trainer/training/plan.h"

#include <algorithm>

namespace elbow {
namespace {

constexpr std::int64_t kFewestRows = 4;

}  // namespace

std::int64_t shard_count(const TrainingOptions& options, std::int64_t batch, int world_size) {
  if (options.sum == "fast") return world_size * options.accumulation;
  const std::int64_t most = options.shards * options.accumulation;
  return std::clamp<std::int64_t>(batch / kFewestRows, 1, most);
}

std::vector<ShardRange> plan_batch(std::int64_t batch, std::int64_t shards, int world_size) {
  std::vector<ShardRange> plan;
  for (int rank = 0; rank < world_size; ++rank) {
    const std::int64_t end = shards * (rank + 1) / world_size;
    for (std::int64_t i = shards * rank / world_size; i < end; ++i) {
      plan.push_back({batch * i / shards, batch * (i + 1) / shards, rank});
    }
  }
  return plan;
}

}  // namespace elbow
