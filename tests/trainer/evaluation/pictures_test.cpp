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

}  // namespace
}  // namespace elbow
