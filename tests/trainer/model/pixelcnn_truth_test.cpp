// The answers that a PixelCNN must give exactly, or within the error of the test.
#include <cmath>

#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/optim/adam.h>

#include "tests/trainer/model/pixelcnn_cases.h"
#include "trainer/model/keyed_noise.h"

namespace elbow {
namespace {

using namespace pixelcnn_cases;

const std::vector<PixelCnnCase>& cases() {
  static const std::vector<PixelCnnCase> all = {
      {{1, 4, 4}},
      {{1, 4, 4}, "bernoulli", 2, "columns"},
      {{3, 3, 3}, "categorical", 3},
      {{3, 3, 3}, "categorical", 3, "columns"},
      {{2, 3, 4}, "discretised-logistic", 4, "columns"},
      {{4, 2, 3}, "bernoulli", 2, "raster", {8, 16}},
  };
  return all;
}

// |d parameter p of variable i / d x_j|, [P, D, D]: the largest of several x, as a gate or a
// rectifier may be closed at one of them.
torch::Tensor dependence(PixelCnn& model, const PixelCnnCase& c) {
  constexpr std::int64_t kPoints = 8;
  const auto noise =
      uniform_noise({1, Purpose::kSampling}, first_indices(kPoints), 0, c.shape, torch::kDouble);
  const auto x = (noise * largest(c)).detach().requires_grad_();
  const auto output = model.conditionals(x, {}).flatten(2);  // [B, P, D]
  std::vector<torch::Tensor> rows;
  for (std::int64_t p = 0; p < output.size(1); ++p) {
    for (std::int64_t i = 0; i < output.size(2); ++i) {
      const auto sum = output.select(2, i).select(1, p).sum();
      const auto gradient = torch::autograd::grad({sum}, {x}, {}, true)[0];
      rows.push_back(gradient.flatten(1).abs().amax(0));
    }
  }
  return torch::stack(rows).view({output.size(1), output.size(2), output.size(2)});
}

// truth: the derivative of the parameters of variable i by x_j is 0 exactly for j >= i in the
// ordering. And for every j before i there is one: no blind spot.
TEST(PixelCnnTruth, ParametersDependOnAllEarlierVariablesAndOnNoOthers) {
  for (const auto& c : cases()) {
    const auto model = make(c);
    const auto derivatives = dependence(*model, c);
    const auto rank = torch::tensor(ranks(c));
    const auto before = rank.unsqueeze(0) < rank.unsqueeze(1);
    for (std::int64_t p = 0; p < derivatives.size(0); ++p) {
      const auto wrong = ((derivatives[p] != 0) != before).nonzero();
      EXPECT_EQ(wrong.size(0), 0) << c << ": parameter " << p << " of variables, by variables\n"
                                  << wrong;
    }
  }
}

TEST(PixelCnnTruth, ProbabilitiesOfAllImagesAddUpToOne) {
  const std::vector<PixelCnnCase> all = {
      {{1, 3, 3}},
      {{1, 3, 3}, "bernoulli", 2, "columns"},
      {{2, 1, 2}, "categorical", 5},
      {{3, 1, 2}, "discretised-logistic", 3, "columns"},
      {{1, 2, 3}, "categorical", 3},
  };
  for (const auto& c : all) {
    const auto model = make(c);
    torch::NoGradGuard no_grad;
    const auto probability = log_probability(*model, all_images(c)).exp();
    EXPECT_NEAR(probability.sum().item<double>(), 1, 1e-6) << c;
    // Not the uniform distribution, for which any network would pass.
    EXPECT_GT((probability.max() / probability.min()).item<double>(), 2) << c;
  }
}

// Shares of all images against their exact probabilities, at 4 SE each. Of the largest images so
// many samples are drawn in two parts.
TEST(PixelCnnTruth, SamplesAreDrawnWithTheirProbability) {
  const std::vector<PixelCnnCase> all = {
      {{1, 2, 2}, "bernoulli", 2, "raster", {16}},
      {{1, 2, 2}, "bernoulli", 2, "columns", {16}},
      {{2, 1, 2}, "categorical", 2, "raster", {16}},
      {{2, 2, 1}, "categorical", 3, "columns", {8}},
      {{1, 1, 2}, "discretised-logistic", 4, "raster", {8}},
  };
  constexpr std::int64_t kCount = 34000;
  const auto indices = first_indices(kCount);
  for (const auto& c : all) {
    const auto model = make(c);
    torch::NoGradGuard no_grad;
    const auto x = model->sample(indices, {}, {3}, Show::kDraw).flatten(1);
    const std::int64_t evaluations = model->evaluations();
    const std::int64_t variables = c10::multiply_integers(c.shape);
    EXPECT_EQ(evaluations, is_levels(c) ? variables : 2 * variables) << c;
    const auto images = all_images(c);
    const auto probability = log_probability(*model, images).exp();
    std::int64_t found = 0;
    for (std::int64_t n = 0; n < images.size(0); ++n) {
      const std::int64_t times =
          ((x - images[n].flatten()).abs() < 1e-9).all(1).sum().item<std::int64_t>();
      const double p = probability[n].item<double>();
      EXPECT_NEAR(static_cast<double>(times) / kCount, p, 4 * std::sqrt(p * (1 - p) / kCount))
          << c << ": image " << n;
      found += times;
    }
    EXPECT_EQ(found, kCount) << c;
    const std::vector<std::int64_t> last = {kCount - 1};
    EXPECT_TRUE(torch::equal(model->sample(last, {}, {3}, Show::kDraw).flatten(), x[kCount - 1]));
  }
}

// A pixel is white with probability .9 where exactly one of its neighbours above and to the left is
// white (or as a fair coin, where it has neither), else with .1.
torch::Tensor log_source(const torch::Tensor& images) {
  torch::Tensor sum = torch::zeros({images.size(0)}, torch::kDouble);
  for (std::int64_t h = 0; h < images.size(2); ++h) {
    for (std::int64_t w = 0; w < images.size(3); ++w) {
      const auto black = torch::zeros({images.size(0)}, torch::kDouble);
      const auto above = h > 0 ? images.select(2, h - 1).select(2, w).squeeze(1) : black;
      const auto left = w > 0 ? images.select(2, h).select(2, w - 1).squeeze(1) : black;
      const auto white =
          h + w == 0 ? black + 0.5 : torch::where(above != left, black + 0.9, black + 0.1);
      const auto x = images.select(2, h).select(2, w).squeeze(1);
      sum += torch::where(x == 1, white, 1 - white).log();
    }
  }
  return sum;
}

// Trained on the source's exact distribution, without sampling, the mean of -log p(x) is its
// entropy plus KL(source, model): within .01 nat. Independent pixels would stay more than 1 nat
// above it.
TEST(PixelCnnTruth, TrainingReachesTheEntropyOfItsSource) {
  for (const std::string& ordering : ordering_names()) {
    const PixelCnnCase c{{1, 2, 3}, "bernoulli", 2, ordering, {16, 16}};
    const auto model = make(c, 1);
    const auto images = all_images(c);
    const auto source = log_source(images).exp();
    ASSERT_NEAR(source.sum().item<double>(), 1, 1e-12);
    const double entropy = -(source * source.log()).sum().item<double>();
    const auto white = (source.view({64, 1, 1, 1}) * images).sum(0);
    const double independent =
        -(white * white.log() + (1 - white) * (1 - white).log()).sum().item<double>();
    ASSERT_GT(independent, entropy + 1);
    torch::optim::Adam optimizer(model->parameters(), 0.01);
    double loss = 0;
    for (int step = 0; step < 400; ++step) {
      optimizer.zero_grad();
      const auto mean = -(source * log_probability(*model, images)).sum();
      mean.backward();
      optimizer.step();
      loss = mean.item<double>();
    }
    EXPECT_GE(loss, entropy) << ordering;
    EXPECT_LT(loss, entropy + 0.01) << ordering;
  }
}

}  // namespace
}  // namespace elbow
