#include "trainer/comm/reducer.h"

#include <algorithm>

#include "trainer/comm/tree_sum.h"

namespace elbow {
namespace {

class FastReducer : public Reducer {
 public:
  FastReducer(Communicator& comm, torch::Tensor& gradient, std::int64_t figures)
      : comm_(comm), gradient_(gradient), figures_(torch::zeros({figures}, torch::kDouble)) {}

  void begin(const ShardOwners&) override {
    gradient_.zero_();
    figures_ = torch::zeros_like(figures_);
  }

  void add(std::int64_t, const torch::Tensor& figures) override { figures_.add_(figures); }

  torch::Tensor finish() override {
    Request figures_summed = comm_.start_all_reduce(figures_, Reduction::kSum);
    comm_.all_reduce(gradient_, Reduction::kSum);
    figures_summed.wait();
    return figures_;
  }

 private:
  Communicator& comm_;
  torch::Tensor& gradient_;
  torch::Tensor figures_;
};

class ReproducibleReducer : public Reducer {
 public:
  ReproducibleReducer(Communicator& comm, torch::Tensor& gradient, std::int64_t figures)
      : comm_(comm), gradient_(gradient), figure_count_(figures) {}

  void begin(const ShardOwners& owners) override {
    gradient_.zero_();
    owners_ = owners;
    figures_ = torch::zeros({owners.back(), figure_count_}, torch::kDouble);
    mine_.begin(owners.back());
  }

  void add(std::int64_t shard, const torch::Tensor& figures) override {
    figures_[shard].copy_(figures);
    mine_.add({shard, shard + 1}, gradient_);
    gradient_.zero_();
  }

  torch::Tensor finish() override {
    // Each row comes from one rank, and the others' zeros don't round.
    Request figures_gathered = comm_.start_all_reduce(figures_, Reduction::kSum);
    if (comm_.size() == 1) {
      gradient_.copy_(mine_.partials().front().sum);
    } else {
      exchange();
    }
    figures_gathered.wait();
    return sum_of_rows(figures_);
  }

 private:
  // Rank r's slice of the flat gradient: [slice_begin(r), slice_begin(r + 1)).
  std::int64_t slice_begin(int rank) const {
    constexpr std::int64_t kGranule = 16;
    const std::int64_t granules = (gradient_.numel() + kGranule - 1) / kGranule;
    return std::min(gradient_.numel(), granules * rank / comm_.size() * kGranule);
  }
  torch::Tensor slice(const torch::Tensor& flat, int rank) const {
    return flat.narrow(0, slice_begin(rank), slice_begin(rank + 1) - slice_begin(rank));
  }

  std::vector<TreeNode> nodes_of(int rank) const {
    const auto r = static_cast<std::size_t>(rank);
    return tree_nodes(owners_[r], owners_[r + 1], owners_.back());
  }

  // Every rank sums its slice of everybody's partial sums, and tells the others.
  void exchange() {
    torch::Tensor mine = slice(gradient_, comm_.rank());
    std::vector<torch::Tensor> incoming;
    for (int rank = 0; rank < comm_.size(); ++rank) {
      const auto nodes = static_cast<std::int64_t>(nodes_of(rank).size());
      incoming.push_back(torch::empty({nodes, mine.numel()}, mine.options()));
    }
    comm_.all_to_all(partials_by_slice(), incoming);
    all_.begin(owners_.back());
    for (int rank = 0; rank < comm_.size(); ++rank) {
      const std::vector<TreeNode> nodes = nodes_of(rank);
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        all_.add(nodes[i], incoming[static_cast<std::size_t>(rank)][static_cast<std::int64_t>(i)]);
      }
    }
    mine.copy_(all_.partials().front().sum);
    std::vector<torch::Tensor> slices;
    for (int rank = 0; rank < comm_.size(); ++rank) slices.push_back(slice(gradient_, rank));
    const std::vector<torch::Tensor> outgoing(slices.size(), all_.partials().front().sum);
    comm_.all_to_all(outgoing, slices);
  }

  // [partial sums of this rank, length of the slice] for each rank's slice.
  std::vector<torch::Tensor> partials_by_slice() const {
    std::vector<torch::Tensor> by_slice;
    for (int rank = 0; rank < comm_.size(); ++rank) {
      std::vector<torch::Tensor> rows;
      for (const auto& partial : mine_.partials()) rows.push_back(slice(partial.sum, rank));
      by_slice.push_back(rows.empty()       ? torch::empty({0}, gradient_.options())
                         : rows.size() == 1 ? rows.front()
                                            : torch::stack(rows));
    }
    return by_slice;
  }

  static torch::Tensor sum_of_rows(const torch::Tensor& rows) {
    TreeSum tree;
    tree.begin(rows.size(0));
    for (std::int64_t row = 0; row < rows.size(0); ++row) tree.add({row, row + 1}, rows[row]);
    return tree.partials().front().sum;
  }

  Communicator& comm_;
  torch::Tensor& gradient_;
  std::int64_t figure_count_;
  ShardOwners owners_;
  torch::Tensor figures_;  // [shards, F]
  TreeSum mine_;
  TreeSum all_;
};

}  // namespace

std::unique_ptr<Reducer> make_fast_reducer(Communicator& comm, torch::Tensor& gradient,
                                           std::int64_t figures) {
  return std::make_unique<FastReducer>(comm, gradient, figures);
}

std::unique_ptr<Reducer> make_reproducible_reducer(Communicator& comm, torch::Tensor& gradient,
                                                   std::int64_t figures) {
  return std::make_unique<ReproducibleReducer>(comm, gradient, figures);
}

}  // namespace elbow
