#include "trainer/comm/tree_sum.h"

#include <algorithm>

namespace elbow {

std::vector<TreeNode> tree_nodes(std::int64_t begin, std::int64_t end, std::int64_t leaves) {
  std::vector<TreeNode> nodes;
  while (begin < end) {
    std::int64_t length = 1;
    while (begin % (2 * length) == 0 && length < leaves &&
           std::min(begin + 2 * length, leaves) <= end) {
      length *= 2;
    }
    nodes.push_back({begin, std::min(begin + length, leaves)});
    begin = nodes.back().end;
  }
  return nodes;
}

void TreeSum::begin(std::int64_t leaves) {
  leaves_ = leaves;
  for (Partial& partial : partials_) unused_.push_back(std::move(partial.sum));
  partials_.clear();
}

void TreeSum::add(const TreeNode& node, const torch::Tensor& value) {
  if (!partials_.empty() && are_siblings(partials_.back().node, node)) {
    partials_.back().sum.add_(value);
    partials_.back().node.end = node.end;
  } else {
    partials_.push_back({node, copy_of(value)});
  }
  while (partials_.size() >= 2) {
    Partial& left = partials_[partials_.size() - 2];
    Partial& right = partials_.back();
    if (!are_siblings(left.node, right.node)) break;
    left.sum.add_(right.sum);
    left.node.end = right.node.end;
    unused_.push_back(std::move(right.sum));
    partials_.pop_back();
  }
}

// Whether both are the children of one node: the left one is whole, 2^l leaves from a multiple of
// 2^(l+1) on, and the right one is all that is left of the parent.
bool TreeSum::are_siblings(const TreeNode& left, const TreeNode& right) const {
  const std::int64_t length = left.end - left.begin;
  const bool power_of_two = (length & (length - 1)) == 0;
  return power_of_two && left.begin % (2 * length) == 0 && right.begin == left.end &&
         right.end == std::min(left.begin + 2 * length, leaves_);
}

torch::Tensor TreeSum::copy_of(const torch::Tensor& value) {
  const auto found = std::find_if(unused_.begin(), unused_.end(), [&](const torch::Tensor& t) {
    return t.sizes() == value.sizes() && t.scalar_type() == value.scalar_type();
  });
  if (found == unused_.end()) return value.clone();
  torch::Tensor copy = std::move(*found);
  unused_.erase(found);
  return copy.copy_(value);
}

}  // namespace elbow
