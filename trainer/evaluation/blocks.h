// A range of samples taken block by block, the blocks shared out over the ranks.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <torch/types.h>

#include "data/data_set.h"
#include "trainer/comm/communicator.h"

namespace elbow {

// Which samples: `count` of them, `index_of` giving the global index of each in turn.
struct SampleRange {
  std::int64_t count = 0;
  std::function<std::int64_t(std::int64_t)> index_of;
};

// All of 0 ... count-1.
SampleRange first_samples(std::int64_t count);

// What is computed of a block: tensors [B, ...] in host memory, float, double, int64 or uint8.
using BlockRows = std::vector<torch::Tensor>;
using BlockCompute = std::function<BlockRows(const Batch& batch)>;
// Receives the blocks in the order of the range.
using BlockSink = std::function<void(std::span<const std::int64_t> indices, const BlockRows& rows)>;

enum class Receivers { kAll, kRank0 };

struct BlockJob {
  Communicator& comm;
  SampleRange range;
  std::int64_t block = 256;         // samples computed at a time, whole, by one rank
  const DataSet* data = nullptr;    // null: a batch is its indices alone
  const DataSet* labels = nullptr;  // a row for each row of `data`
  Receivers receivers = Receivers::kRank0;
  // Told after each round how many samples are done (rank 0 only).
  std::function<void(std::int64_t done)> progress = nullptr;
};

// Collective. Every block is computed at a shape that depends on the range alone, so that what the
// sink receives has the same bits at any number of ranks. Memory: a block of each rank, and those
// of all ranks where they are received. `compute` and `sink` contain no collective; what they
// throw on any rank, all throw as a SharedError.
void for_each_block(const BlockJob& job, const BlockCompute& compute, const BlockSink& sink);

}  // namespace elbow
