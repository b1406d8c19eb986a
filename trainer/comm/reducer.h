// How what the shards of a step contribute becomes one sum over the job.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>

#include "trainer/comm/communicator.h"

namespace elbow {

// Which shards of a step each rank computes: rank r those from first[r] to first[r + 1] - 1.
// first[world size] is their number.
using ShardOwners = std::vector<std::int64_t>;

// Sums the flat gradient and a few figures. A step is begin(), add() for each shard that this rank
// computes, in ascending order, and finish(), which is collective.
class Reducer {
 public:
  virtual ~Reducer() = default;

  // Sets the gradient to zero.
  virtual void begin(const ShardOwners& owners) = 0;
  // The shard's gradient has been added to the flat gradient; `figures` [F] in double are its own.
  virtual void add(std::int64_t shard, const torch::Tensor& figures) = 0;
  // Afterwards the flat gradient and the result, [F] in double, hold the sums over all shards, the
  // same on every rank.
  virtual torch::Tensor finish() = 0;
};

// The backend's all-reduce, in an order that it chooses: the same bits for the same number of
// ranks. `gradient` [P] is summed in place and must outlive the reducer; `figures` is F.
std::unique_ptr<Reducer> make_fast_reducer(Communicator& comm, torch::Tensor& gradient,
                                           std::int64_t figures);

// Along one fixed binary tree over the shards: the same bits at any number of ranks. Each rank adds
// its own shards as they come, then one slice of everybody's partial sums, so that as much is sent
// as by an all-reduce.
std::unique_ptr<Reducer> make_reproducible_reducer(Communicator& comm, torch::Tensor& gradient,
                                                   std::int64_t figures);

}  // namespace elbow
