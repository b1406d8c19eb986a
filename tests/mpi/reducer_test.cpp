// Both reducers at each number of ranks, against sums made by hand.
#include "trainer/comm/reducer.h"

#include <gtest/gtest.h>

#include "tests/mpi/ranks.h"
#include "trainer/comm/tree_sum.h"

namespace elbow {
namespace {

using test::ranks;

constexpr std::int64_t kLength = 1037;

// Values of very different size, so that the order of additions shows in the last bits.
torch::Tensor gradient_of(std::int64_t shard) {
  const torch::Tensor i = torch::arange(kLength, torch::kDouble);
  const torch::Tensor value = (i * 0.7 + static_cast<double>(shard) * 1.3).sin();
  return (value * (i.remainder(7) + static_cast<double>(shard % 3) * 4).exp()).to(torch::kFloat);
}

torch::Tensor figures_of(std::int64_t shard) {
  return torch::tensor({1e16 / static_cast<double>(shard + 1), 0.1 * static_cast<double>(shard)},
                       torch::kDouble);
}

// The definition, written as recursion over [begin, begin + length) where length is a power of two.
torch::Tensor tree(std::int64_t begin, std::int64_t length, std::int64_t leaves,
                   const std::function<torch::Tensor(std::int64_t)>& leaf) {
  if (length == 1) return leaf(begin);
  const torch::Tensor left = tree(begin, length / 2, leaves, leaf);
  if (begin + length / 2 >= leaves) return left;
  return left + tree(begin + length / 2, length / 2, leaves, leaf);
}

torch::Tensor tree_over(std::int64_t leaves,
                        const std::function<torch::Tensor(std::int64_t)>& leaf) {
  std::int64_t length = 1;
  while (length < leaves) length *= 2;
  return tree(0, length, leaves, leaf);
}

ShardOwners even_owners(std::int64_t shards) {
  ShardOwners first;
  for (int rank = 0; rank <= ranks().size(); ++rank)
    first.push_back(shards * rank / ranks().size());
  return first;
}

// The gradient and the figures that `reducer` makes of these shards.
std::pair<torch::Tensor, torch::Tensor> reduce(Reducer& reducer, torch::Tensor& gradient,
                                               const ShardOwners& owners) {
  reducer.begin(owners);
  const auto me = static_cast<std::size_t>(ranks().rank());
  for (std::int64_t shard = owners[me]; shard < owners[me + 1]; ++shard) {
    gradient.add_(gradient_of(shard).to(gradient.device()));
    reducer.add(shard, figures_of(shard));
  }
  const torch::Tensor figures = reducer.finish();
  return {gradient.cpu().clone(), figures};
}

TEST(ReproducibleReducer, FollowsTheTreeBitForBit) {
  torch::Tensor gradient = torch::full({kLength}, 5.0F, test::device());
  const auto reducer = make_reproducible_reducer(ranks(), gradient, 2);
  for (const std::int64_t shards : {1, 2, 3, 5, 8, 13, 16}) {
    const auto [sum, figures] = reduce(*reducer, gradient, even_owners(shards));
    EXPECT_TRUE(torch::equal(sum, tree_over(shards, gradient_of))) << shards;
    EXPECT_TRUE(torch::equal(figures, tree_over(shards, figures_of))) << shards;
  }
}

TEST(ReproducibleReducer, DoesNotDependOnWhoComputesWhat) {
  torch::Tensor gradient = torch::zeros({kLength}, test::device());
  const auto reducer = make_reproducible_reducer(ranks(), gradient, 2);
  ShardOwners all_last(static_cast<std::size_t>(ranks().size()), 0);
  all_last.push_back(11);
  const auto [sum, figures] = reduce(*reducer, gradient, all_last);
  EXPECT_TRUE(torch::equal(sum, tree_over(11, gradient_of)));
  EXPECT_TRUE(torch::equal(figures, tree_over(11, figures_of)));
}

TEST(FastReducer, SumsEverything) {
  torch::Tensor gradient = torch::full({kLength}, 5.0F, test::device());
  const auto reducer = make_fast_reducer(ranks(), gradient, 2);
  for (const std::int64_t shards : {1, 4, 9}) {
    const auto [sum, figures] = reduce(*reducer, gradient, even_owners(shards));
    torch::Tensor expected = torch::zeros({kLength}, torch::kDouble);
    torch::Tensor magnitude = torch::full({kLength}, 1e-30, torch::kDouble);
    torch::Tensor expected_figures = torch::zeros({2}, torch::kDouble);
    for (std::int64_t shard = 0; shard < shards; ++shard) {
      expected += gradient_of(shard).to(torch::kDouble);
      magnitude += gradient_of(shard).to(torch::kDouble).abs();
      expected_figures += figures_of(shard);
    }
    const torch::Tensor error = (sum.to(torch::kDouble) - expected).abs() / magnitude;
    EXPECT_LT(error.max().item<double>(), 1e-6);
    EXPECT_TRUE(torch::allclose(figures, expected_figures, 1e-14, 0));
  }
}

TEST(TreeNodes, AreTheFewestThatCoverTheRange) {
  using Nodes = std::vector<TreeNode>;
  EXPECT_EQ(tree_nodes(0, 8, 8), (Nodes{{0, 8}}));
  EXPECT_EQ(tree_nodes(2, 5, 8), (Nodes{{2, 4}, {4, 5}}));
  EXPECT_EQ(tree_nodes(1, 8, 8), (Nodes{{1, 2}, {2, 4}, {4, 8}}));
  EXPECT_EQ(tree_nodes(0, 5, 5), (Nodes{{0, 5}}));
  EXPECT_EQ(tree_nodes(4, 7, 7), (Nodes{{4, 7}}));
  EXPECT_EQ(tree_nodes(3, 3, 7), Nodes{});
}

// What a rank holds after adding leaf by leaf is what the others expect of it.
TEST(TreeSum, HoldsTheNodesOfItsRange) {
  TreeSum sum;
  for (std::int64_t leaves = 1; leaves <= 17; ++leaves) {
    for (std::int64_t begin = 0; begin < leaves; ++begin) {
      for (std::int64_t end = begin + 1; end <= leaves; ++end) {
        sum.begin(leaves);
        for (std::int64_t leaf = begin; leaf < end; ++leaf) {
          sum.add({leaf, leaf + 1}, torch::full({1}, static_cast<double>(leaf), torch::kDouble));
        }
        std::vector<TreeNode> nodes;
        double total = 0;
        for (const auto& partial : sum.partials()) {
          nodes.push_back(partial.node);
          total += partial.sum.item<double>();
        }
        ASSERT_EQ(nodes, tree_nodes(begin, end, leaves)) << begin << ' ' << end << ' ' << leaves;
        ASSERT_EQ(total, static_cast<double>((end - begin) * (begin + end - 1)) / 2);
      }
    }
  }
}

}  // namespace
}  // namespace elbow
