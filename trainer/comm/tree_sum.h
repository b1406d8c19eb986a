// Sums along one fixed binary tree, whoever computes which part of it: the bits depend on the
// leaves and their number alone.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

namespace elbow {

// Leaves [begin, end) of the tree. A node's leaves are [k 2^l, min((k + 1) 2^l, leaves)) for some
// level l: pairs of neighbours are joined, then pairs of pairs, and what has no neighbour at the
// right edge moves up alone.
struct TreeNode {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  bool operator==(const TreeNode&) const = default;
};

// The fewest nodes that make up leaves [begin, end) of a tree over `leaves`, from left to right.
// At most two for each level.
std::vector<TreeNode> tree_nodes(std::int64_t begin, std::int64_t end, std::int64_t leaves);

// Adds nodes from left to right. Holds one partial sum a level at most, in memory that it keeps
// from one sum to the next.
class TreeSum {
 public:
  struct Partial {
    TreeNode node;
    torch::Tensor sum;
  };

  // Forgets what was added; a tree over `leaves` begins.
  void begin(std::int64_t leaves);
  // `value` is the sum over the leaves of `node`, which begins where the one before ended, or
  // anywhere when it is the first. It is added or copied, not kept.
  void add(const TreeNode& node, const torch::Tensor& value);
  // Sums over tree_nodes() of all that was added.
  const std::vector<Partial>& partials() const { return partials_; }

 private:
  bool are_siblings(const TreeNode& left, const TreeNode& right) const;
  torch::Tensor copy_of(const torch::Tensor& value);

  std::int64_t leaves_ = 0;
  std::vector<Partial> partials_;
  std::vector<torch::Tensor> unused_;
};

}  // namespace elbow
