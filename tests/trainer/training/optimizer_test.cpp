#include "trainer/training/optimizer.h"

#include <cmath>

#include <gtest/gtest.h>

namespace elbow {
namespace {

OptimizerOptions options_with(const std::string& schedule) {
  OptimizerOptions options;
  options.rate = 2.0;
  options.schedule = schedule;
  return options;
}

TEST(LearningRate, WarmsUpLinearlyThenStays) {
  const OptimizerOptions options = options_with("constant");
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 1000, 100), 0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 25, 1000, 100), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 100, 1000, 100), 2);
  EXPECT_DOUBLE_EQ(learning_rate(options, 999, 1000, 100), 2);
}

TEST(LearningRate, FallsAlongACosine) {
  const OptimizerOptions options = options_with("cosine");
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 1000, 0), 2);
  EXPECT_NEAR(learning_rate(options, 500, 1000, 0), 1, 1e-12);
  EXPECT_NEAR(learning_rate(options, 1000, 1000, 0), 0, 1e-12);
  EXPECT_NEAR(learning_rate(options, 250, 1000, 0), 1 + std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(learning_rate(options, 550, 1000, 100), 1, 1e-12);
}

TEST(GradientNorm, IsEuclidean) {
  EXPECT_NEAR(gradient_norm(torch::tensor({3.0F, -4.0F, 0.0F})), 5, 1e-6);
}

// Against Algorithm 1 of Kingma & Ba (2015), written out in double.
TEST(Adam, FollowsTheAlgorithm) {
  OptimizerOptions options;
  const std::int64_t size = 1001;
  torch::Tensor values = torch::linspace(-1, 1, size);
  torch::Tensor expected = values.to(torch::kDouble);
  torch::Tensor m = torch::zeros_like(expected);
  torch::Tensor v = torch::zeros_like(expected);
  Adam adam(options, values);
  for (int t = 1; t <= 20; ++t) {
    const double rate = 0.01 / t;
    const double divisor = 4.0 * t;
    torch::Tensor gradient = (values * t + 0.3).sin() * divisor;
    const torch::Tensor g = gradient.to(torch::kDouble) / divisor;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const torch::Tensor m_hat = m / (1 - std::pow(0.9, t));
    const torch::Tensor v_hat = v / (1 - std::pow(0.999, t));
    expected -= rate * m_hat / (v_hat.sqrt() + 1e-8);
    adam.step(gradient, divisor, rate);
    expected = expected.clone();
    ASSERT_LT((values.to(torch::kDouble) - expected).abs().max().item<double>(), 2e-6) << t;
  }
}

}  // namespace
}  // namespace elbow
