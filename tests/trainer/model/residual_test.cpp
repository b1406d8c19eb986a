#include "trainer/model/residual.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/trainer/model/network_reference.h"

namespace elbow {
namespace {

using Shape = std::vector<std::int64_t>;

NetworkOptions small() {
  NetworkOptions options;
  options.network = "residual";
  options.widths = {3, 4};
  options.activation = "silu";
  return options;
}

TEST(Residual, EncodersAreThoseOfPyTorch) {
  const auto c = reference_numbers({2, 2}, 1);
  const auto image = reference_filled(make_encoder(small(), {2, 7, 5}, 6, 2));
  expect_reference("residual image encoder", image->forward(reference_numbers({2, 2, 7, 5}), c));
  const auto signal = reference_filled(make_encoder(small(), {2, 9}, 6));
  expect_reference("residual signal encoder", signal->forward(reference_numbers({2, 2, 9}), {}));
  const auto volume = reference_filled(make_encoder(small(), {1, 5, 4, 6}, 6));
  expect_reference("residual volume encoder",
                   volume->forward(reference_numbers({2, 1, 5, 4, 6}), {}));
}

TEST(Residual, DecoderIsThatOfPyTorch) {
  const auto decoder = reference_filled(make_decoder(small(), 2, {1, 7, 5}, 2, 2));
  expect_reference("residual image decoder",
                   decoder->forward(reference_numbers({2, 2}), reference_numbers({2, 2}, 1)));
}

TEST(Residual, LayersAreDescribed) {
  auto options = small();
  options.blocks = 2;
  const auto network = make_decoder(options, 2, {1, 7, 5}, 2);
  std::vector<std::string> lines;
  std::int64_t total = 0;
  for (const auto& layer : network->layers()) {
    lines.push_back(layer.name + " " + layer.what);
    total += layer.parameters;
  }
  EXPECT_THAT(lines,
              testing::ElementsAre("0 linear", "1 reshape", "2 residual block 3x3 silu",
                                   "3 residual block 3x3 silu", "4 transposed convolution 4x4 *2",
                                   "5 residual block 3x3 silu", "6 residual block 3x3 silu",
                                   "7 silu", "8 transposed convolution 4x4 *2"));
  EXPECT_EQ(network->layers()[4].output, (Shape{3, 3, 2}));
  EXPECT_EQ(network->layers()[8].output, (Shape{2, 7, 5}));
  std::int64_t parameters = 0;
  for (const auto& parameter : network->parameters()) parameters += parameter.numel();
  EXPECT_EQ(total, parameters);
}

// What residual.h says of the initial weights: 32 blocks do not let a signal explode or vanish.
TEST(Residual, ManyBlocksKeepTheSize) {
  NetworkOptions options = small();
  options.widths = {32};
  options.activation = "relu";
  const auto size_with = [&](std::int64_t blocks) {
    options.blocks = blocks;
    const auto network = reference_initialised(make_encoder(options, {1, 16, 16}, 8));
    const auto x = reference_numbers({4, 1, 16, 16});
    return (network->forward(x, {}) - network->forward(-x, {})).std().item<double>();
  };
  const double one = size_with(1);
  const double many = size_with(32);
  EXPECT_GT(many, one / 5);
  EXPECT_LT(many, one * 5);
}

}  // namespace
}  // namespace elbow
