// Which sample comes when: a function of (seed, epoch, position), with random access.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/data_set.h"
#include "data/permutation.h"
#include "data/split.h"

namespace elbow {

namespace order_detail {
struct Plan;
}

// The order of one epoch. Safe from any thread.
class EpochOrder {
 public:
  std::int64_t size() const;
  // The global index of the sample at `position` of the epoch, 0 <= position < size().
  std::int64_t at(std::int64_t position) const;

 private:
  friend class Order;
  EpochOrder(std::shared_ptr<const order_detail::Plan> plan, std::uint32_t epoch);
  std::int64_t at_in_windows(std::int64_t position) const;

  std::shared_ptr<const order_detail::Plan> plan_;
  NoiseKey key_;
  Permutation whole_;  // of all samples, or of all slabs
  // Windowed order only. Samples before each slab in this epoch's order of slabs, and before each
  // window; the last entry is size().
  std::vector<std::int64_t> slab_starts_;
  std::vector<std::int64_t> window_starts_;
};

// Every training sample of a split exactly once an epoch.
//
// Where any row can be read alone, the order is one permutation of all of them. Where rows lie in
// chunks, runs of whole chunks of 256 rows or more (slabs) are shuffled, cut into windows of about
// `window` samples (at least one slab), and permuted within a window: a slab never lies in two
// windows, so a reader that keeps a window in memory reads each chunk once. A table of the slabs,
// a 256th of the samples, is made for each epoch; nothing is stored.
class Order {
 public:
  // The parts must be those of the data set that was split. Throws Error when they are not.
  Order(const Split& split, std::span<const PartLayout> parts, std::uint64_t seed,
        std::int64_t window);

  std::int64_t size() const;
  bool windowed() const;
  EpochOrder epoch(std::uint32_t number) const;

 private:
  std::shared_ptr<const order_detail::Plan> plan_;
};

}  // namespace elbow
