#include "trainer/training/optimizer.h"

#include <cmath>
#include <functional>
#include <map>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>

#include "base/error.h"

namespace elbow {
namespace {

OptimizerOptions options_with(const std::string& schedule) {
  OptimizerOptions options;
  options.rate = 2.0;
  options.schedule = schedule;
  return options;
}

TEST(LearningRate, WarmsUpLinearlyThenStays) {
  OptimizerOptions options = options_with("constant");
  options.warmup = 2;  // epochs of 50 samples
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 1000, 50), 0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 25, 1000, 50), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 100, 1000, 50), 2);
  EXPECT_DOUBLE_EQ(learning_rate(options, 999, 1000, 50), 2);
}

TEST(LearningRate, FallsAlongACosine) {
  OptimizerOptions options = options_with("cosine");
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 1000, 50), 2);
  EXPECT_NEAR(learning_rate(options, 500, 1000, 50), 1, 1e-12);
  EXPECT_NEAR(learning_rate(options, 1000, 1000, 50), 0, 1e-12);
  EXPECT_NEAR(learning_rate(options, 250, 1000, 50), 1 + std::sqrt(0.5), 1e-12);
  options.warmup = 2;
  EXPECT_NEAR(learning_rate(options, 550, 1000, 50), 1, 1e-12);
}

TEST(LearningRate, FallsInSteps) {
  OptimizerOptions options = options_with("step");
  options.step_epochs = 3;  // of 50 samples
  options.step_factor = 0.5;
  EXPECT_DOUBLE_EQ(learning_rate(options, 149, 1000, 50), 2);
  EXPECT_DOUBLE_EQ(learning_rate(options, 150, 1000, 50), 1);
  EXPECT_DOUBLE_EQ(learning_rate(options, 449, 1000, 50), 0.5);
  options.warmup = 4;
  EXPECT_DOUBLE_EQ(learning_rate(options, 100, 1000, 50), 1);
  EXPECT_DOUBLE_EQ(learning_rate(options, 200, 1000, 50), 1);
}

// Burda et al. 2015: stage i = 1 ... 8 takes 3^(i - 1) epochs at the rate 10^(-(i - 1)/7).
TEST(LearningRate, FallsAtMilestones) {
  OptimizerOptions options = options_with("milestones");
  options.milestones = {1, 4, 13, 40, 121, 364, 1093};
  options.step_factor = std::pow(10.0, -1.0 / 7);
  double begin = 0;
  for (int stage = 0; stage < 8; ++stage) {
    const double end = begin + 50 * std::pow(3.0, stage);  // epochs of 50 samples
    const double rate = 2 * std::pow(10.0, -stage / 7.0);
    EXPECT_NEAR(learning_rate(options, begin, 164000, 50), rate, 1e-12) << stage;
    EXPECT_NEAR(learning_rate(options, end - 1, 164000, 50), rate, 1e-12) << stage;
    begin = end;
  }
  EXPECT_EQ(begin, 164000);  // 3280 epochs
}

TEST(LearningRate, NeedsMilestonesWithThatScheduleAlone) {
  torch::nn::Linear layer(2, 2);
  FlatParameters parameters(*layer);
  const auto problem = [&](const OptimizerOptions& options) -> std::string {
    try {
      make_optimizer(options, parameters);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  OptimizerOptions options = options_with("milestones");
  EXPECT_THAT(problem(options), testing::HasSubstr("optimizer.milestones: the schedule"));
  options.milestones = {3};
  EXPECT_EQ(problem(options), "");
  options.schedule = "cosine";
  EXPECT_THAT(problem(options), testing::HasSubstr("go with optimizer.schedule 'cosine'"));
}

TEST(GradientNorm, IsEuclidean) {
  EXPECT_NEAR(gradient_norm(torch::tensor({3.0F, -4.0F, 0.0F})), 5, 1e-6);
}

// A weight of 77 x 13 and a bias of 5, beginning between -1 and 1.
struct Layer : torch::nn::Module {
  Layer() {
    weight = register_parameter("weight", torch::linspace(-1, 1, 1001).view({77, 13}));
    bias = register_parameter("bias", torch::linspace(-1, 1, 5));
  }
  torch::Tensor weight, bias;
};

// The optimiser over the flat parameters of a Layer, step by step against `expected`, which is told
// the parameter (weight or bias), the gradient in double, the step's number and the rate, and
// updates its own copy in double.
using Expected = std::function<void(bool weight, torch::Tensor& value,
                                    const torch::Tensor& gradient, int step, double rate)>;

void compare(const OptimizerOptions& options, const Expected& expected) {
  Layer layer;
  FlatParameters parameters(layer);
  const auto optimizer = make_optimizer(options, parameters);
  torch::Tensor values[] = {layer.weight.detach().to(torch::kDouble),
                            layer.bias.detach().to(torch::kDouble)};
  for (int t = 1; t <= 20; ++t) {
    const double rate = 0.01 / t;
    const double divisor = 4.0 * t;
    torch::Tensor gradients[2];
    for (int i : {0, 1}) {
      torch::Tensor& parameter = i == 0 ? layer.weight : layer.bias;
      parameter.mutable_grad().copy_((parameter.detach() * t + 0.3).sin() * divisor);
      gradients[i] = parameter.grad().to(torch::kDouble) / divisor;
    }
    optimizer->step(parameters.gradient(), divisor, rate);
    for (int i : {0, 1}) {
      expected(i == 0, values[i], gradients[i], t, rate);
      const torch::Tensor& now = i == 0 ? layer.weight : layer.bias;
      ASSERT_LT((now.detach().to(torch::kDouble) - values[i]).abs().max().item<double>(), 2e-6)
          << options.kind << " step " << t;
    }
  }
  EXPECT_EQ(optimizer->steps(), 20);
}

// Algorithm 1 of Kingma & Ba (2015), with the decoupled decay of Loshchilov & Hutter (2019),
// Algorithm 2, of the weight alone.
Expected adam(double decay) {
  auto moments = std::make_shared<std::map<bool, std::pair<torch::Tensor, torch::Tensor>>>();
  return [=](bool weight, torch::Tensor& value, const torch::Tensor& g, int t, double rate) {
    auto& [m, v] = (*moments)[weight];
    if (!m.defined()) m = torch::zeros_like(value);
    if (!v.defined()) v = torch::zeros_like(value);
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const torch::Tensor m_hat = m / (1 - std::pow(0.9, t));
    const torch::Tensor v_hat = v / (1 - std::pow(0.999, t));
    const torch::Tensor old = value;
    value = old - rate * m_hat / (v_hat.sqrt() + 1e-8) - (weight ? rate * decay * old : 0 * old);
  };
}

TEST(Adam, FollowsTheAlgorithm) { compare({}, adam(0)); }

TEST(AdamW, DecaysWeightsAndNotBiases) {
  OptimizerOptions options;
  options.kind = "adamw";
  options.weight_decay = 0.3;
  compare(options, adam(0.3));
}

// PyTorch's definition: b <- momentum b + g, and the first b is g; g holds decay times the weight.
TEST(Sgd, HasMomentumAndDecaysWeightsAlone) {
  OptimizerOptions options;
  options.kind = "sgd";
  options.momentum = 0.8;
  options.weight_decay = 0.3;
  std::map<bool, torch::Tensor> momentum;
  compare(options,
          [&](bool weight, torch::Tensor& value, const torch::Tensor& g, int t, double rate) {
            const torch::Tensor slope = weight ? g + 0.3 * value : g;
            torch::Tensor& b = momentum[weight];
            b = t == 1 ? slope : 0.8 * b + slope;
            value = value - rate * b;
          });
}

TEST(Sgd, GoesAlongTheGradientWithoutMomentum) {
  OptimizerOptions options;
  options.kind = "sgd";
  options.momentum = 0;
  compare(options, [](bool, torch::Tensor& value, const torch::Tensor& g, int, double rate) {
    value = value - rate * g;
  });
}

}  // namespace
}  // namespace elbow
