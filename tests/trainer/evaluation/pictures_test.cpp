#include "trainer/evaluation/pictures.h"

#include <gtest/gtest.h>

namespace elbow {
namespace {

Observation raw(std::vector<std::int64_t> shape) {
  return {{"raw", "auto"}, {std::move(shape), ValueType::kFloat32}, "gaussian"};
}

TEST(CanBeShown, ImagesOnly) {
  EXPECT_TRUE(can_be_shown(raw({5, 6})));
  EXPECT_TRUE(can_be_shown(raw({5, 6, 3})));
  EXPECT_TRUE(can_be_shown(raw({4, 5, 6})));
  EXPECT_FALSE(can_be_shown(raw({30})));
}

TEST(ToImages, RoundsAndClipsToEightBits) {
  const torch::Tensor x = torch::tensor({0.0F, 0.5F, 1.0F, -3.0F, 7.0F, 0.2F}).view({1, 1, 2, 3});
  const auto images = to_images(raw({2, 3}), x);
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].width, 3);
  EXPECT_EQ(images[0].height, 2);
  EXPECT_EQ(images[0].pixels, (std::vector<std::uint8_t>{0, 128, 255, 0, 255, 51}));
}

TEST(ToImages, PutsChannelsLast) {
  torch::Tensor x = torch::zeros({1, 3, 2, 2});
  x[0][0].fill_(1.0F);
  x[0][2].fill_(0.6F);
  const auto images = to_images(raw({2, 2, 3}), x);
  EXPECT_EQ(images[0].channels, 3);
  EXPECT_EQ(images[0].pixels,
            (std::vector<std::uint8_t>{255, 0, 153, 255, 0, 153, 255, 0, 153, 255, 0, 153}));
}

// x = (k + u)/256 lies in the cell of k.
TEST(ToStored, DitheredValuesAreTheBytesTheyLieIn) {
  const Observation observation({}, {{1, 4}, ValueType::kUint8}, "gaussian");
  const auto x = torch::tensor({0.0F, 7.9F / 256, 255.5F / 256, 1.5F}).view({1, 1, 1, 4});
  EXPECT_TRUE(torch::equal(to_stored(observation, x),
                           torch::tensor({0, 7, 255, 255}, torch::kByte).view({1, 1, 4})));
}

TEST(ToStored, UnditheredValuesAreTheNearestBytes) {
  const Observation observation({"raw", "auto"}, {{1, 3}, ValueType::kUint8}, "gaussian");
  const auto x = torch::tensor({7.9F / 256, 8.1F / 256, -0.5F}).view({1, 1, 1, 3});
  EXPECT_TRUE(torch::equal(to_stored(observation, x),
                           torch::tensor({8, 8, 0}, torch::kByte).view({1, 1, 3})));
}

TEST(ToStored, ProbabilitiesOfBinaryDataStayNumbers) {
  const Observation observation({}, {{1, 2}, ValueType::kUint8, 1}, "bernoulli");
  const auto x = torch::tensor({0.25F, 1.0F}).view({1, 1, 1, 2});
  EXPECT_TRUE(torch::equal(to_stored(observation, x), x.view({1, 1, 2})));
}

TEST(ToStored, HasTheAxesOfTheFile) {
  const auto x = torch::rand({2, 3, 6, 5});
  EXPECT_TRUE(torch::equal(to_stored(raw({6, 5, 3}), x), x.permute({0, 2, 3, 1})));
}

}  // namespace
}  // namespace elbow
