// Who computes what: a pure function that cuts a global batch into shards.
#pragma once

#include <cstdint>
#include <vector>

namespace elbow {

// A contiguous part [begin, end) of a global batch, computed whole by one rank. May be empty.
struct ShardRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  int rank = 0;
  std::int64_t size() const { return end - begin; }
};

// One shard a rank, in the order of ranks, sizes differing by at most one. A rank gets an empty
// shard when the batch is smaller than the job.
std::vector<ShardRange> plan_batch(std::int64_t batch, int world_size);

}  // namespace elbow
