#include "trainer/model/pixelcnn_network.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "trainer/model/initialisation.h"
#include "trainer/model/keyed_noise.h"

namespace elbow {
namespace {

torch::Tensor normal(std::vector<std::int64_t> sizes, std::uint32_t draw = 0) {
  const std::vector<std::int64_t> index = {0};
  return normal_noise({1, Purpose::kSampling}, index, draw, sizes, torch::kDouble)[0];
}

template <typename Module, typename... Arguments>
std::shared_ptr<Module> random_module(std::uint64_t seed, Arguments&&... arguments) {
  auto module = std::make_shared<Module>(std::forward<Arguments>(arguments)...);
  initialise(*module, seed);
  module->to(torch::kDouble);
  return module;
}

// The sum over the window by loops, from the definition.
torch::Tensor by_loops(const torch::Tensor& input, const torch::nn::Module& convolution,
                       const Window& window, const MaskedConvolution::Sees& sees) {
  const auto weight = convolution.named_parameters()["weight"];
  const auto bias = convolution.named_parameters()["bias"];
  const std::int64_t height = input.size(2);
  const std::int64_t width = input.size(3);
  auto output = torch::zeros({input.size(0), weight.size(0), height, width}, torch::kDouble);
  for (std::int64_t h = 0; h < height; ++h) {
    for (std::int64_t w = 0; w < width; ++w) {
      auto sum = bias.expand({input.size(0), weight.size(0)}).clone();
      for (std::int64_t row = window.first_row; row <= window.last_row; ++row) {
        for (std::int64_t column = window.first_column; column <= window.last_column; ++column) {
          if (h + row < 0 || w + column < 0 || w + column >= width) continue;
          auto kernel = weight.select(3, column - window.first_column)
                            .select(2, row - window.first_row)
                            .clone();
          for (std::int64_t o = 0; sees && row == 0 && column == 0 && o < weight.size(0); ++o) {
            for (std::int64_t i = 0; i < weight.size(1); ++i) {
              if (!sees(o, i)) kernel[o][i] = 0;
            }
          }
          sum = sum + input.select(3, w + column).select(2, h + row).matmul(kernel.t());
        }
      }
      output.select(3, w).select(2, h).copy_(sum);
    }
  }
  return output;
}

TEST(MaskedConvolution, IsTheSumOverItsWindow) {
  torch::NoGradGuard no_grad;
  const auto sees = [](std::int64_t output, std::int64_t input) { return input <= output; };
  const auto input = normal({2, 3, 4, 5});
  const std::vector<std::pair<Window, MaskedConvolution::Sees>> cases = {
      {{-3, -1, -2, 2}, {}}, {{-2, 0, -1, 1}, {}},  {{0, 0, -2, 0}, sees},
      {{0, 0, 0, 0}, sees},  {{-1, 0, 0, 0}, sees}, {{-6, -6, -7, 7}, {}}};
  for (const auto& [window, mask] : cases) {
    const auto convolution = random_module<MaskedConvolution>(3, 3, 4, window, mask);
    EXPECT_TRUE(torch::allclose(convolution->forward(input),
                                by_loops(input, *convolution, window, mask), 1e-12, 1e-12))
        << window.first_row << " " << window.first_column;
  }
}

TEST(MaskedConvolution, RefusesWindowsOfWhatComesLater) {
  const auto sees = [](std::int64_t, std::int64_t) { return true; };
  EXPECT_THROW(MaskedConvolution(1, 1, {-1, 1, 0, 0}), Error);
  EXPECT_THROW(MaskedConvolution(1, 1, {0, -1, 0, 0}), Error);
  EXPECT_THROW(MaskedConvolution(1, 1, {0, 0, 1, 2}), Error);
  EXPECT_THROW(MaskedConvolution(1, 1, {0, 0, -2, -1}), Error);
  EXPECT_THROW(MaskedConvolution(1, 1, {0, 0, -1, 1}, sees), Error);
  EXPECT_THROW(MaskedConvolution(1, 1, {-2, -1, -1, 0}, sees), Error);
}

// Which pixels the output at (row, column) depends on, by autograd, against the rectangle that
// reach() promises: all of it, so no blind spot, and nothing else.
TEST(PixelCnnNetwork, SeesAllOfItsReachAndNothingElse) {
  constexpr std::int64_t kSide = 13;
  for (const auto& widths : std::vector<std::vector<std::int64_t>>{{8}, {8, 8}, {6, 8}}) {
    const std::vector<std::int64_t> shape = {1, kSide, kSide};
    const auto network = random_module<PixelCnnNetwork>(3, shape, widths, 1);
    const std::int64_t reach = network->reach();
    EXPECT_EQ(reach, 2 * static_cast<std::int64_t>(widths.size()) + 1);
    for (const auto& [row, column] : {std::pair{6, 6}, {12, 0}, {8, 12}, {0, 5}}) {
      auto x = normal({1, 1, kSide, kSide}).requires_grad_();
      network->forward(x, {})[0][0][0][row][column].backward();
      const auto gradient = x.grad()[0][0];
      for (std::int64_t h = 0; h < kSide; ++h) {
        for (std::int64_t w = 0; w < kSide; ++w) {
          const bool before = h < row || (h == row && w < column);
          const bool near = h >= row - reach && std::abs(w - column) <= reach;
          EXPECT_EQ(gradient[h][w].item<double>() != 0, before && near)
              << "(" << row << ", " << column << ") by (" << h << ", " << w << ")";
        }
      }
    }
  }
}

TEST(PixelCnnNetwork, RowsBelowMayBeLeftOut) {
  const auto network = random_module<PixelCnnNetwork>(
      3, std::vector<std::int64_t>{2, 5, 4}, std::vector<std::int64_t>{6, 6}, std::int64_t{3});
  const auto x = normal({2, 2, 5, 4});
  EXPECT_TRUE(torch::allclose(network->forward(x.narrow(2, 0, 3), {}),
                              network->forward(x, {}).narrow(3, 0, 3), 1e-12, 1e-12));
}

TEST(PixelCnnNetwork, TellsPixelsOfZeroFromTheBorder) {
  const auto network = random_module<PixelCnnNetwork>(
      3, std::vector<std::int64_t>{1, 4, 4}, std::vector<std::int64_t>{6}, std::int64_t{1});
  const auto output = network->forward(torch::zeros({1, 1, 4, 4}, torch::kDouble), {}).flatten();
  EXPECT_NE(output[0].item<double>(), output[15].item<double>());
}

TEST(PixelCnnNetwork, GradientReachesEveryParameter) {
  const auto network = random_module<PixelCnnNetwork>(3, std::vector<std::int64_t>{3, 4, 4},
                                                      std::vector<std::int64_t>{9, 12, 12},
                                                      std::int64_t{2}, std::int64_t{2});
  network->forward(normal({4, 3, 4, 4}), normal({4, 2}, 1)).square().sum().backward();
  for (const auto& item : network->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().abs().max().item<double>(), 0) << item.key();
  }
}

TEST(PixelCnnNetwork, LayersHoldAllParameters) {
  const auto network = random_module<PixelCnnNetwork>(3, std::vector<std::int64_t>{3, 4, 4},
                                                      std::vector<std::int64_t>{9, 12},
                                                      std::int64_t{2}, std::int64_t{2});
  std::int64_t described = 0;
  for (const auto& layer : network->layers()) {
    described += layer.parameters;
    EXPECT_THAT(layer.output, testing::ElementsAre(testing::Gt(0), 4, 4)) << layer.name;
  }
  std::int64_t held = 0;
  for (const auto& parameter : network->parameters()) held += parameter.numel();
  EXPECT_EQ(described, held);
}

TEST(PixelCnnNetwork, RowsOfABatchAreIndependent) {
  const auto network = random_module<PixelCnnNetwork>(
      3, std::vector<std::int64_t>{1, 6, 5}, std::vector<std::int64_t>{8, 8}, std::int64_t{1});
  network->to(torch::kFloat);
  auto x = normal({5, 1, 6, 5}).to(torch::kFloat);
  const auto before = network->forward(x, {}).clone();
  x[1].fill_(7);
  const auto after = network->forward(x, {});
  for (const std::int64_t row : {0, 2, 3, 4}) EXPECT_TRUE(torch::equal(before[row], after[row]));
  EXPECT_FALSE(torch::equal(before[1], after[1]));
}

TEST(PixelCnnNetwork, RefusesWhatItCannotBeMadeOf) {
  const auto make = [](std::vector<std::int64_t> shape, const std::vector<std::int64_t>& widths) {
    return PixelCnnNetwork(std::move(shape), widths, 1);
  };
  EXPECT_THROW(make({784}, {8}), ConfigError);
  EXPECT_THROW(make({1, 4, 4, 4}, {8}), ConfigError);
  EXPECT_THROW(make({1, 4, 4}, {}), ConfigError);
  EXPECT_THROW(make({3, 4, 4}, {8, 2}), ConfigError);
  EXPECT_NO_THROW(make({3, 4, 4}, {8, 3}));
}

TEST(PixelCnnNetwork, RefusesAConditionThatIsNotAsPromised) {
  const auto network = random_module<PixelCnnNetwork>(3, std::vector<std::int64_t>{1, 3, 3},
                                                      std::vector<std::int64_t>{4}, std::int64_t{1},
                                                      std::int64_t{2});
  const auto x = normal({4, 1, 3, 3});
  EXPECT_THROW(network->forward(x, {}), Error);
  EXPECT_THROW(network->forward(x, normal({4, 3})), Error);
  EXPECT_THROW(network->forward(x, normal({3, 2})), Error);
  EXPECT_FALSE(
      torch::allclose(network->forward(x, normal({4, 2})), network->forward(x, normal({4, 2}, 1))));
}

}  // namespace
}  // namespace elbow
