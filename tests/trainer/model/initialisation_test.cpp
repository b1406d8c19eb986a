#include "trainer/model/initialisation.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>
#include <torch/utils.h>

#include "tests/trainer/model/linear_model.h"

namespace elbow {
namespace {

std::shared_ptr<Procedure> model(std::uint64_t seed) {
  return make_model(ModelOptions{}, raw_vectors(50), seed);
}

TEST(Initialisation, IsAFunctionOfTheSeedAlone) {
  torch::manual_seed(1);
  const auto a = model(3)->named_parameters();
  torch::manual_seed(2);
  torch::rand({17});
  const auto b = model(3)->named_parameters();
  const auto c = model(4)->named_parameters();
  for (const auto& item : a) {
    EXPECT_TRUE(torch::equal(item.value(), b[item.key()])) << item.key();
    if (item.key() == "likelihood.log_sigma") continue;
    EXPECT_FALSE(torch::equal(item.value(), c[item.key()])) << item.key();
  }
}

// U(-b, b), b = 1/sqrt(fan_in): inside, near the ends, variance b^2/3 within 4 SE.
TEST(Initialisation, HasPyTorchsDefaultDistribution) {
  const auto parameters = model(3)->named_parameters();
  const auto check = [&](const std::string& layer, double fan_in) {
    const double bound = 1 / std::sqrt(fan_in);
    for (const char* part : {".weight", ".bias"}) {
      const auto value = parameters[layer + part].to(torch::kDouble) / bound;
      EXPECT_LE(value.abs().max().item<double>(), 1 + 1e-6) << layer << part;
      const auto count = static_cast<double>(value.numel());
      EXPECT_NEAR(value.square().mean().item<double>(), 1 / 3.0, 4 * std::sqrt(4 / 45.0 / count))
          << layer << part;
    }
    EXPECT_GT(parameters[layer + ".weight"].abs().max().item<double>(), 0.99 * bound);
  };
  check("encoder.0", 50);
  check("encoder.2", 400);
  check("decoder.0", 20);
  check("decoder.2", 400);
}

TEST(Initialisation, TransposedConvolutionsTakeTheirFanInFromOutputChannels) {
  torch::nn::Sequential stack(
      torch::nn::ConvTranspose2d(torch::nn::ConvTranspose2dOptions(8, 2, 4)));
  initialise(*stack, 1);
  const double bound = 1 / std::sqrt(2 * 16.0);
  const double largest = stack->parameters()[0].abs().max().item<double>();
  EXPECT_LE(largest, bound * (1 + 1e-6));
  EXPECT_GT(largest, 0.97 * bound);
}

TEST(Initialisation, LeavesOtherParametersAlone) {
  torch::nn::Sequential stack(torch::nn::LayerNorm(torch::nn::LayerNormOptions({5})));
  initialise(*stack, 1);
  EXPECT_TRUE(torch::equal(stack->parameters()[0], torch::ones({5})));
  EXPECT_TRUE(torch::equal(stack->parameters()[1], torch::zeros({5})));
}

}  // namespace
}  // namespace elbow
