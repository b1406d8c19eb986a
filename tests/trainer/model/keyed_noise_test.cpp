#include "trainer/model/keyed_noise.h"

#include <cmath>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace elbow {
namespace {

const NoiseKey kKey{7, Purpose::kPosterior, 1, 2};

std::vector<std::int64_t> range(std::int64_t count) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

TEST(KeyedNoise, RowBelongsToItsIndexWhateverTheBatch) {
  const std::vector<std::int64_t> batch = {5, 0, 1000000000000, 3};
  const std::vector<std::int64_t> other = {3, 5};
  const auto a = normal_noise(kKey, batch, 4, {3, 5}, torch::kFloat);
  const auto b = normal_noise(kKey, other, 4, {3, 5}, torch::kFloat);
  EXPECT_EQ(a.sizes(), (std::vector<std::int64_t>{4, 3, 5}));
  EXPECT_TRUE(torch::equal(a[3], b[0]));
  EXPECT_TRUE(torch::equal(a[0], b[1]));
  EXPECT_FALSE(torch::equal(a[1], a[2]));
}

TEST(KeyedNoise, EachPartOfTheKeyMatters) {
  const auto indices = range(2);
  const auto of = [&](const NoiseKey& key, std::uint32_t draw) {
    return normal_noise(key, indices, draw, {8}, torch::kDouble);
  };
  const auto base = of(kKey, 0);
  EXPECT_TRUE(torch::equal(base, of(kKey, 0)));
  EXPECT_FALSE(torch::equal(base, of(kKey, 1)));
  EXPECT_FALSE(torch::equal(base, of({8, Purpose::kPosterior, 1, 2}, 0)));
  EXPECT_FALSE(torch::equal(base, of({7, Purpose::kEvaluation, 1, 2}, 0)));
  EXPECT_FALSE(torch::equal(base, of({7, Purpose::kPosterior, 0, 2}, 0)));
  EXPECT_FALSE(torch::equal(base, of({7, Purpose::kPosterior, 1, 3}, 0)));
}

TEST(KeyedNoise, FloatIsTheRoundedDouble) {
  const auto indices = range(100);
  const auto in_double = normal_noise(kKey, indices, 0, {33}, torch::kDouble);
  const auto in_float = normal_noise(kKey, indices, 0, {33}, torch::kFloat);
  EXPECT_TRUE(torch::equal(in_float, in_double.to(torch::kFloat)));
}

// 4 SE of mean and variance of 100,000 numbers.
TEST(KeyedNoise, Moments) {
  constexpr double kCount = 1e5;
  const auto indices = range(1000);
  const auto normal = normal_noise(kKey, indices, 0, {100}, torch::kDouble);
  EXPECT_NEAR(normal.mean().item<double>(), 0, 4 / std::sqrt(kCount));
  EXPECT_NEAR(normal.var().item<double>(), 1, 4 * std::sqrt(2 / kCount));
  const auto uniform = uniform_noise(kKey, indices, 0, {100}, torch::kFloat);
  EXPECT_NEAR(uniform.mean().item<double>(), 0.5, 4 * std::sqrt(1 / 12.0 / kCount));
  EXPECT_NEAR(uniform.var().item<double>(), 1 / 12.0, 4 * std::sqrt(1 / 180.0 / kCount));
  const auto dither = dither_noise(kKey, indices, 0, {100});
  EXPECT_NEAR(dither.mean().item<double>(), 0.5, 4 * std::sqrt(1 / 12.0 / kCount));
  EXPECT_NEAR(dither.var().item<double>(), 1 / 12.0, 4 * std::sqrt(1 / 180.0 / kCount));
}

TEST(KeyedNoise, UniformsStayInsideTheirInterval) {
  const auto indices = range(1000);
  const auto uniform = uniform_noise(kKey, indices, 0, {100}, torch::kFloat);
  EXPECT_GT(uniform.min().item<float>(), 0.0F);
  EXPECT_LT(uniform.max().item<float>(), 1.0F);
  const auto dither = dither_noise(kKey, indices, 0, {100});
  EXPECT_GE(dither.min().item<float>(), 0.0F);
  EXPECT_LT(dither.max().item<float>(), 1.0F);
  EXPECT_TRUE(torch::equal(dither * 65536, (dither * 65536).round()));
}

TEST(KeyedNoise, MemoryIsAlignedAndMayBeEmpty) {
  const auto indices = range(3);
  const auto tensor = normal_noise(kKey, indices, 0, {7}, torch::kFloat);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % 64, 0U);
  EXPECT_EQ(normal_noise(kKey, {}, 0, {7}, torch::kFloat).sizes(),
            (std::vector<std::int64_t>{0, 7}));
}

TEST(KeyedNoise, RefusesOtherTypes) {
  const auto indices = range(1);
  EXPECT_THROW(normal_noise(kKey, indices, 0, {7}, torch::kInt), Error);
  EXPECT_THROW(uniform_noise(kKey, indices, 0, {7}, torch::kBFloat16), Error);
}

}  // namespace
}  // namespace elbow
