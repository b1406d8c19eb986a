#include "data/order.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "data/permutation.h"

namespace elbow {
namespace {

std::vector<PartLayout> one_part(std::int64_t rows, std::int64_t chunk_rows) {
  return {{0, rows, chunk_rows}};
}

struct Case {
  std::int64_t size;
  std::int64_t held_out;
  std::vector<PartLayout> parts;
  std::int64_t window;
};

class Orders : public testing::TestWithParam<Case> {};

TEST_P(Orders, EachTrainingSampleOnceAnEpoch) {
  const Case& c = GetParam();
  const Split split(5, c.size, c.held_out);
  const Order order(split, c.parts, 5, c.window);
  ASSERT_EQ(order.size(), c.size - c.held_out);
  for (const std::uint32_t number : {0U, 1U}) {
    const EpochOrder epoch = order.epoch(number);
    ASSERT_EQ(epoch.size(), order.size());
    std::vector<bool> seen(static_cast<std::size_t>(c.size));
    for (std::int64_t i = 0; i < epoch.size(); ++i) {
      const std::int64_t index = epoch.at(i);
      ASSERT_GE(index, 0);
      ASSERT_LT(index, c.size);
      ASSERT_FALSE(seen[static_cast<std::size_t>(index)]) << index;
      seen[static_cast<std::size_t>(index)] = true;
      ASSERT_FALSE(split.is_held_out(index));
    }
    EXPECT_THROW(epoch.at(epoch.size()), Error);
    EXPECT_THROW(epoch.at(-1), Error);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, Orders,
    testing::Values(
        Case{1, 0, one_part(1, 1), 8192}, Case{1, 0, one_part(1, 100), 8192},
        Case{7, 2, one_part(7, 1), 8192}, Case{7, 2, one_part(7, 3), 1},
        Case{7, 0, one_part(7, 7), 8192}, Case{1000003, 50000, one_part(1000003, 1), 8192},
        Case{1000003, 50000, one_part(1000003, 128), 8192},
        Case{1000003, 0, one_part(1000003, 1000), 300},
        // Almost everything held out: slabs and whole windows with nothing in them.
        Case{20000, 19990, one_part(20000, 64), 4},
        Case{1000003, 1000000, one_part(1000003, 100), 1},
        // Four parts, one of which can be read row by row.
        Case{3000, 300, {{0, 1000, 64}, {1000, 1, 1}, {1001, 999, 1}, {2000, 1000, 700}}, 512}));

TEST(Order, DependsOnSeedAndEpochOnly) {
  for (const std::int64_t chunk : {1, 100}) {
    const Split split(5, 20000, 1000);
    const Order order(split, one_part(20000, chunk), 5, 2048);
    const Order same(split, one_part(20000, chunk), 5, 2048);
    const Order other(split, one_part(20000, chunk), 6, 2048);
    const EpochOrder epoch = order.epoch(3);
    int next_epoch_agrees = 0;
    int other_seed_agrees = 0;
    for (std::int64_t i = 0; i < epoch.size(); ++i) {
      ASSERT_EQ(same.epoch(3).at(i), epoch.at(i));
      if (i % 20 != 0) continue;
      next_epoch_agrees += order.epoch(4).at(i) == epoch.at(i) ? 1 : 0;
      other_seed_agrees += other.epoch(3).at(i) == epoch.at(i) ? 1 : 0;
    }
    EXPECT_LT(next_epoch_agrees, 10);
    EXPECT_LT(other_seed_agrees, 10);
  }
}

// All rows of a chunk fall within one window's length of the epoch and a few slabs: with two
// windows in memory, each chunk is read once.
TEST(WindowedOrder, KeepsChunksTogether) {
  constexpr std::int64_t kSize = 100000;
  constexpr std::int64_t kChunk = 100;
  constexpr std::int64_t kWindow = 4096;
  const Order order(Split(5, kSize, 5000), one_part(kSize, kChunk), 5, kWindow);
  ASSERT_TRUE(order.windowed());
  const EpochOrder epoch = order.epoch(0);
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> spans;
  for (std::int64_t i = 0; i < epoch.size(); ++i) {
    const auto [place, added] = spans.try_emplace(epoch.at(i) / kChunk, i, i);
    place->second.second = i;
  }
  ASSERT_EQ(std::ssize(spans), kSize / kChunk);
  // A window is no longer than asked for by more than one slab of three chunks.
  for (const auto& [chunk, span] : spans) {
    ASSERT_LE(span.second - span.first, kWindow + 3 * kChunk) << chunk;
  }
}

// A file sorted by class must not come class by class: within each 4096 samples of the epoch, the
// parts of the file are all there.
TEST(WindowedOrder, MixesSortedData) {
  constexpr std::int64_t kSize = 1 << 20;
  constexpr int kClasses = 10;
  const Order order(Split(5, kSize, 0), one_part(kSize, 128), 5, 8192);
  const EpochOrder epoch = order.epoch(0);
  for (std::int64_t start = 0; start < 16 * 4096; start += 4096) {
    std::vector<int> counts(kClasses);
    for (std::int64_t i = start; i < start + 4096; ++i) {
      ++counts[static_cast<std::size_t>(epoch.at(i) * kClasses / kSize)];
    }
    // 32 slabs of 10 classes in a window: none is likely to fill half of it.
    EXPECT_LT(*std::max_element(counts.begin(), counts.end()), 4096 / 2);
    EXPECT_GE(std::count_if(counts.begin(), counts.end(), [](int n) { return n > 0; }), 7);
  }
}

TEST(WindowedOrder, PermutesWithinTheWindow) {
  const Order order(Split(5, 8192, 0), one_part(8192, 128), 5, 8192);
  const EpochOrder epoch = order.epoch(0);
  int neighbours = 0;
  for (std::int64_t i = 1; i < 8192; ++i) neighbours += epoch.at(i) == epoch.at(i - 1) + 1 ? 1 : 0;
  EXPECT_LT(neighbours, 12) << "one is expected";
}

// Were windows permuted alike, places a window apart would hold the same row of a slab.
TEST(WindowedOrder, PermutesEachWindowOtherwise) {
  const Order order(Split(5, 16384, 0), one_part(16384, 256), 5, 8192);
  const EpochOrder epoch = order.epoch(0);
  int alike = 0;
  for (std::int64_t i = 0; i < 8192; ++i) {
    alike += epoch.at(i) % 256 == epoch.at(i + 8192) % 256 ? 1 : 0;
  }
  EXPECT_LT(alike, 80) << "32 are expected";
}

// Where place 0 of a shuffled epoch lies: uniform over 16 sixteenths of the data, 3,200 seeds, 15
// degrees of freedom, at the level 1e-4.
TEST(Order, FirstSampleIsUniform) {
  for (const std::int64_t chunk : {1, 64}) {
    std::vector<double> counts(16);
    for (std::uint64_t seed = 0; seed < 3200; ++seed) {
      const Order order(Split(1, 16000, 0), one_part(16000, chunk), seed, 1000);
      ++counts[static_cast<std::size_t>(order.epoch(0).at(0) / 1000)];
    }
    double chi_square = 0;
    for (const double count : counts) chi_square += (count - 200) * (count - 200) / 200;
    EXPECT_LT(chi_square, 44.3) << "chunk " << chunk;
  }
}

TEST(Order, RefusesPartsOfAnotherDataSet) {
  const Split split(1, 100, 0);
  EXPECT_THROW(Order(split, one_part(99, 1), 1, 10), Error);
  const std::vector<PartLayout> gap{{0, 50, 1}, {60, 50, 1}};
  EXPECT_THROW(Order(split, gap, 1, 10), Error);
}

}  // namespace
}  // namespace elbow
