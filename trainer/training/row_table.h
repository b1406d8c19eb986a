// Per-sample parameters over the whole job: a row for each sample of the data set, each kept by one
// rank with what the optimiser knows of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <torch/types.h>

#include "trainer/comm/communicator.h"
#include "trainer/run/checkpoint.h"

namespace elbow {

// The samples whose rows each rank needs in a step: of rank r those in plan[r], in its order. The
// same on every rank, so that nobody has to be asked; no sample is in it twice.
using RowPlan = std::vector<std::vector<std::int64_t>>;

// An update of rows by Adam (Kingma & Ba 2015), each with a step count of its own, since a row
// moves only when its sample is seen.
struct RowStep {
  double rate = 1e-2;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  // Brings rows [B, R] back to where they may be, each from itself alone. May be empty.
  std::function<void(torch::Tensor&)> project = nullptr;
};

// Over the rows of some samples, in double.
struct RowMoments {
  std::int64_t count = 0;
  torch::Tensor mean;        // [R]
  torch::Tensor covariance;  // [R, R], with 1 / count
};

// Rows of float, by global sample index, cut into blocks of a fixed size whatever the number of
// ranks; a rank keeps a contiguous range of blocks, with moments as large as the rows twice, and
// nothing of the others'. What becomes of a row depends on it, its gradients and rates alone. Not
// thread-safe. Every method marked collective is called by all ranks with the same plan.
class RowTable {
 public:
  static constexpr std::int64_t kBlock = 65536;

  // Makes `samples` rows of `width` numbers, all zero. `comm` outlives the table.
  RowTable(Communicator& comm, std::int64_t samples, std::int64_t width,
           std::int64_t block = kBlock);

  std::int64_t width() const { return width_; }
  int rank() const { return comm_.rank(); }
  int owner(std::int64_t index) const;
  std::int64_t bytes() const;  // kept by this rank

  // Sets this rank's rows to rows_of(indices) [B, R], some thousands at a time.
  void initialise(const std::function<torch::Tensor(std::span<const std::int64_t>)>& rows_of);

  // Collective. The rows of plan[rank], [B, R] on the host, in its order.
  torch::Tensor fetch(const RowPlan& plan);
  // Collective. Moves the rows of plan[rank] along minus their gradient [B, R]; those where
  // `used` [B] is 0 stay as they are.
  void update(const RowPlan& plan, const torch::Tensor& gradient,
              std::span<const std::uint8_t> used, const RowStep& step);
  // The optimiser begins anew; rows stay.
  void forget_past();

  // Collective. Of the rows that were updated at least once since the past was forgotten: sums in
  // double, block by block in order, so the same bits at any number of ranks.
  RowMoments moments();

  // The files of a checkpoint that are this rank's, "rows-00000.safetensors" for block 0: copies.
  std::vector<StateFile> files() const;
  // Reads this rank's blocks from the folder of a checkpoint. Throws CheckpointError naming file
  // and tensor.
  void restore(const std::filesystem::path& folder);

 private:
  std::int64_t first_block(int rank) const { return blocks_ * rank / comm_.size(); }
  std::int64_t block_rows(std::int64_t block) const;
  int block_owner(std::int64_t block) const;
  // Places in this rank's tensors of those samples that it keeps, in their order.
  std::vector<std::int64_t> places(const std::vector<std::int64_t>& indices) const;
  // Each number of `indices` is some rank's: how many are each rank's.
  std::vector<std::int64_t> counts(const std::vector<std::int64_t>& indices) const;
  // By name, this rank's part of a block: views.
  NamedTensors views(std::int64_t block) const;
  void update_kept(const std::vector<std::int64_t>& places, const torch::Tensor& gradient,
                   const RowStep& step);
  // Collective. Sums over the blocks of what part(trained rows of a block, in double) gives.
  torch::Tensor sum_over_blocks(at::IntArrayRef shape,
                                const std::function<torch::Tensor(const torch::Tensor&)>& part);

  Communicator& comm_;
  std::int64_t samples_;
  std::int64_t width_;
  std::int64_t block_;
  std::int64_t blocks_;
  std::int64_t first_;           // index of this rank's first row
  torch::Tensor rows_;           // [L, R] of the L rows that this rank keeps
  torch::Tensor first_moment_;   // [L, R]
  torch::Tensor second_moment_;  // [L, R]
  torch::Tensor steps_;          // [L], updates of each row
};

// Rows as a checkpoint holds them, read when they are asked for; one block of them in memory.
class LearnedRows {
 public:
  // Reads a checkpoint's folder, which holds rows of `width` numbers.
  LearnedRows(std::filesystem::path folder, std::int64_t width)
      : folder_(std::move(folder)), width_(width) {}

  // [B, width] of these samples. Throws CheckpointError naming the file that has them not.
  torch::Tensor rows(std::span<const std::int64_t> indices);

 private:
  const torch::Tensor& block(std::int64_t number);

  std::filesystem::path folder_;
  std::int64_t width_;
  std::int64_t number_ = -1;
  torch::Tensor block_;  // [at most RowTable::kBlock, width]
};

}  // namespace elbow
