#include "data/slab_cache.h"

#include <gtest/gtest.h>

namespace elbow {
namespace {

TEST(SlabCache, TheLeastRecentlyUsedGoesFirst) {
  SlabCache cache({.rows = 30, .bytes = 1000});
  for (std::int64_t slab = 0; slab < 3; ++slab) {
    *cache.add(0, slab, 10, 100) = static_cast<std::byte>(slab + 1);
  }
  ASSERT_NE(cache.find(0, 0), nullptr);
  cache.add(1, 0, 10, 100);
  EXPECT_EQ(cache.find(0, 1), nullptr);
  ASSERT_NE(cache.find(0, 0), nullptr);
  EXPECT_EQ(*cache.find(0, 0), std::byte{1});
  EXPECT_EQ(*cache.find(0, 2), std::byte{3});
  EXPECT_NE(cache.find(1, 0), nullptr);
  EXPECT_EQ(cache.find(1, 2), nullptr) << "slabs of another part";
}

TEST(SlabCache, KeepsWithinBothLimits) {
  SlabCache cache({.rows = 1000, .bytes = 250});
  for (std::int64_t slab = 0; slab < 20; ++slab) {
    cache.add(0, slab, 10, 100);
    EXPECT_LE(cache.bytes(), 250);
  }
  EXPECT_EQ(cache.bytes(), 200);
  EXPECT_EQ(cache.rows(), 20);
}

TEST(SlabCache, OneSlabIsAlwaysKept) {
  SlabCache cache({.rows = 1, .bytes = 1});
  cache.add(0, 0, 10, 100);
  EXPECT_NE(cache.find(0, 0), nullptr);
  cache.add(0, 1, 10, 5000);
  EXPECT_EQ(cache.find(0, 0), nullptr);
  EXPECT_NE(cache.find(0, 1), nullptr);
}

TEST(SlabCache, ADroppedSlabIsGone) {
  SlabCache cache({.rows = 100, .bytes = 1000});
  cache.add(0, 0, 10, 100);
  cache.add(0, 1, 10, 100);
  cache.drop_newest();
  EXPECT_EQ(cache.find(0, 1), nullptr);
  EXPECT_NE(cache.find(0, 0), nullptr);
  EXPECT_EQ(cache.rows(), 10);
  EXPECT_EQ(cache.bytes(), 100);
}

}  // namespace
}  // namespace elbow
