// The rows of one step, on the rank that computes with them.
#pragma once

#include <span>
#include <vector>

#include "trainer/training/row_table.h"

namespace elbow {

// Fetched once for all of a rank's shards, and sent back once with what became of them.
class StepRows {
 public:
  // Rows of a shard as a leaf of autograd's graph, and which of the step's they are.
  struct Loan {
    torch::Tensor rows;                // [B, R]
    std::vector<std::int64_t> places;  // [B]
  };

  // Collective. `plan` names the samples of this rank's shards in the order of lend().
  StepRows(RowTable& table, RowPlan plan);

  // The rows of these samples, which come in the order of the plan but need not be all; with the
  // type and on the device of `like`.
  Loan lend(std::span<const std::int64_t> indices, const torch::Tensor& like);
  // After the shard's backward: takes the gradient over. False when it is not finite.
  bool collect(const Loan& loan);
  // Collective. Updates the rows whose gradients were collected; the others stay as they are.
  void update(const RowStep& step);

 private:
  const std::vector<std::int64_t>& mine() const;

  RowTable& table_;
  RowPlan plan_;
  int rank_;
  torch::Tensor rows_;      // [n, R]
  torch::Tensor gradient_;  // [n, R]
  std::vector<std::uint8_t> used_;
  std::size_t next_ = 0;  // of the plan, to be lent
};

}  // namespace elbow
