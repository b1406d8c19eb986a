#include "trainer/training/step_rows.h"

namespace elbow {

StepRows::StepRows(RowTable& table, RowPlan plan)
    : table_(table),
      plan_(std::move(plan)),
      rank_(table.rank()),
      rows_(table.fetch(plan_)),
      gradient_(torch::zeros_like(rows_)),
      used_(mine().size(), 0) {}

const std::vector<std::int64_t>& StepRows::mine() const {
  return plan_[static_cast<std::size_t>(rank_)];
}

StepRows::Loan StepRows::lend(std::span<const std::int64_t> indices, const torch::Tensor& like) {
  Loan loan;
  for (const std::int64_t index : indices) {
    while (mine().at(next_) != index) ++next_;
    loan.places.push_back(static_cast<std::int64_t>(next_++));
  }
  loan.rows = rows_.index_select(0, torch::tensor(loan.places, torch::kLong))
                  .to(like.device(), like.scalar_type())
                  .set_requires_grad(true);
  return loan;
}

// Rows that had no part in the objective have no gradient, and stay as they are.
bool StepRows::collect(const Loan& loan) {
  if (!loan.rows.grad().defined()) return true;
  const torch::Tensor gradient = loan.rows.grad().to(torch::kCPU, torch::kFloat);
  gradient_.index_copy_(0, torch::tensor(loan.places, torch::kLong), gradient);
  for (const std::int64_t place : loan.places) used_[static_cast<std::size_t>(place)] = 1;
  return gradient.isfinite().all().item<bool>();
}

void StepRows::update(const RowStep& step) { table_.update(plan_, gradient_, used_, step); }

}  // namespace elbow
