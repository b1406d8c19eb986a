// Who computes what: pure functions that cut a global batch into shards.
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/training/options.h"

namespace elbow {

// A contiguous part [begin, end) of a global batch, computed whole by one rank. May be empty.
struct ShardRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  int rank = 0;
  std::int64_t size() const { return end - begin; }
};

// Into how many shards a batch is cut. Fast sums: training.accumulation for each rank. Reproducible
// sums: at most training.shards times training.accumulation, whatever the number of ranks, of four
// samples or more where there are as many, since matrix products of one or two rows are not
// bit-stable.
std::int64_t shard_count(const TrainingOptions& options, std::int64_t batch, int world_size);

// `shards` shards whose sizes differ by at most one, in the order of ranks; the same for the number
// of them that a rank gets, so that some get none when there are fewer shards than ranks.
std::vector<ShardRange> plan_batch(std::int64_t batch, std::int64_t shards, int world_size);

}  // namespace elbow
