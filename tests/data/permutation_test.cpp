#include "data/permutation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"

namespace elbow {
namespace {

NoiseKey key(std::uint64_t seed) { return {.seed = seed, .purpose = Purpose::kOrder}; }

TEST(Permutation, IsABijectionWithItsInverse) {
  for (const std::int64_t size : {1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1000, 4097, 100003}) {
    const Permutation permutation(size, key(11), 3);
    std::vector<bool> seen(static_cast<std::size_t>(size));
    for (std::int64_t i = 0; i < size; ++i) {
      const std::int64_t value = permutation(i);
      ASSERT_GE(value, 0);
      ASSERT_LT(value, size);
      ASSERT_FALSE(seen[static_cast<std::size_t>(value)]) << size;
      seen[static_cast<std::size_t>(value)] = true;
      ASSERT_EQ(permutation.inverse(value), i);
    }
  }
}

TEST(Permutation, ReachesTo2To62) {
  const std::int64_t size = std::int64_t{1} << 62;
  const Permutation permutation(size, key(5), 0);
  for (const std::int64_t place : {std::int64_t{0}, std::int64_t{12345678901}, size - 1}) {
    const std::int64_t value = permutation(place);
    EXPECT_GE(value, 0);
    EXPECT_LT(value, size);
    EXPECT_EQ(permutation.inverse(value), place);
  }
  EXPECT_THROW(Permutation(size + 1, key(5), 0), Error);
  EXPECT_THROW(Permutation(0, key(5), 0), Error);
}

TEST(Permutation, DependsOnSeedAndStream) {
  const Permutation a(1000, key(1), 0);
  const Permutation b(1000, key(2), 0);
  const Permutation c(1000, key(1), 1);
  int equal_seed = 0;
  int equal_stream = 0;
  for (std::int64_t i = 0; i < 1000; ++i) {
    equal_seed += a(i) == b(i) ? 1 : 0;
    equal_stream += a(i) == c(i) ? 1 : 0;
  }
  // One fixed point is expected of two independent permutations; 10 has probability 1e-7.
  EXPECT_LT(equal_seed, 10);
  EXPECT_LT(equal_stream, 10);
}

// Chi-square over all n! permutations, 1,000 seeds each. Limits at the level 1e-4.
void expect_uniform(std::int64_t size, double limit) {
  std::vector<std::int64_t> places(static_cast<std::size_t>(size));
  double factorial = 1;
  for (std::int64_t i = 2; i <= size; ++i) factorial *= static_cast<double>(i);
  const double expected = 1000;
  std::map<std::vector<std::int64_t>, double> counts;
  const auto seeds = static_cast<std::uint64_t>(expected * factorial);
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const Permutation permutation(size, key(seed), 0);
    for (std::int64_t i = 0; i < size; ++i) places[static_cast<std::size_t>(i)] = permutation(i);
    ++counts[places];
  }
  ASSERT_EQ(counts.size(), static_cast<std::size_t>(factorial));
  double chi_square = 0;
  for (const auto& [order, count] : counts) {
    chi_square += (count - expected) * (count - expected) / expected;
  }
  EXPECT_LT(chi_square, limit);
}

TEST(Permutation, AllOrdersOfTwoAreEquallyLikely) { expect_uniform(2, 15.1); }
TEST(Permutation, AllOrdersOfThreeAreEquallyLikely) { expect_uniform(3, 25.7); }
TEST(Permutation, AllOrdersOfFourAreEquallyLikely) { expect_uniform(4, 56.0); }
TEST(Permutation, AllOrdersOfFiveAreEquallyLikely) { expect_uniform(5, 185.0); }

// Where place 0 and place 1 go together, n = 37: 1,332 cells, 100 draws each.
TEST(Permutation, PairsOfPlacesAreIndependent) {
  constexpr std::int64_t kSize = 37;
  std::vector<double> counts(kSize * kSize);
  constexpr int kDraws = 100 * kSize * (kSize - 1);
  for (int seed = 0; seed < kDraws; ++seed) {
    const Permutation permutation(kSize, key(static_cast<std::uint64_t>(seed)), 9);
    ++counts[static_cast<std::size_t>(permutation(0) * kSize + permutation(1))];
  }
  double chi_square = 0;
  for (const double count : counts) {
    if (count > 0) chi_square += (count - 100) * (count - 100) / 100;
  }
  // 1,331 degrees of freedom: mean 1,331, deviation 51.6; the limit is 4 deviations away.
  EXPECT_LT(chi_square, 1331 + 4 * 51.6);
  EXPECT_GT(chi_square, 1331 - 4 * 51.6);
}

// Neighbours in the input must not stay neighbours.
TEST(Permutation, RankCorrelationOfLargePermutationIsSmall) {
  constexpr std::int64_t kSize = 1000003;
  const Permutation permutation(kSize, key(42), 0);
  double sum = 0;
  constexpr std::int64_t kPlaces = 100000;
  for (std::int64_t i = 0; i < kPlaces; ++i) {
    const double x = static_cast<double>(permutation(i)) / kSize - 0.5;
    const double y = static_cast<double>(permutation(i + 1)) / kSize - 0.5;
    sum += 12 * x * y;
  }
  EXPECT_LT(std::abs(sum / kPlaces), 5 / std::sqrt(static_cast<double>(kPlaces)));
}

}  // namespace
}  // namespace elbow
