// A q of each sample, learned with the decoder or fitted under a frozen one. Answers come from
// linear models with a Gaussian posterior; SE is a test's own standard error, seeds are fixed.
#include "trainer/model/latent_optimisation.h"

#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/utils/convert_parameters.h>

#include "base/error.h"
#include "tests/trainer/model/linear_model.h"

namespace elbow {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

ModelOptions linear_options(std::int64_t latent) {
  ModelOptions options;
  options.kind = "latent-optimisation";
  options.latent = latent;
  options.widths = {};
  options.fit_steps = 3000;
  options.fit_rate = 1e-2;
  return options;
}

// x = W z + b + noise, with these numbers as the decoder's.
std::shared_ptr<LatentOptimisation> linear_model(const torch::Tensor& weights_DK,
                                                 const torch::Tensor& bias_D, double sigma,
                                                 std::int64_t fit_steps = 3000) {
  ModelOptions options = linear_options(weights_DK.size(1));
  options.fit_steps = fit_steps;
  auto model = std::dynamic_pointer_cast<LatentOptimisation>(
      make_model(options, raw_vectors(weights_DK.size(0)), 1));
  const torch::NoGradGuard no_grad;
  model->to(torch::kDouble);
  auto parameters = model->named_parameters();
  parameters["decoder.0.weight"].copy_(weights_DK);
  parameters["decoder.0.bias"].copy_(bias_D);
  std::dynamic_pointer_cast<GaussianLikelihood>(model->model().likelihood)->set_sigma(sigma);
  return model;
}

// Two latents, s = 1, posterior precision I + W'W = [[1, r], [r, 1]]^-1 / v: with W'W =
// P - I, P = (1/v) [[1, r], [r, 1]]^-1, the posterior has variances v and correlation r.
struct Correlated {
  static constexpr double kVariance = 0.4;
  double correlation = 0.9;
  torch::Tensor precision = torch::linalg_inv(
      kVariance * torch::tensor({{1.0, correlation}, {correlation, 1.0}}, torch::kDouble));
  torch::Tensor weights =
      torch::linalg_cholesky(precision - torch::eye(2, torch::kDouble)).t().contiguous();
  torch::Tensor bias = torch::zeros({2}, torch::kDouble);

  LinearModel exact() const { return {weights, bias, 1.0}; }
  double gap() const { return -0.5 * std::log(1 - correlation * correlation); }
  torch::Tensor posterior_mean(const torch::Tensor& x) const {
    return torch::linalg_solve(precision, weights.t().mm(x.t())).t();
  }
};

// The best diagonal q has the posterior's mean and the reciprocals of its precision's diagonal.
TEST(LatentOptimisation, FittedPosteriorHasTheMeanFieldGap) {
  const Correlated model;
  constexpr std::int64_t kImages = 64;
  const auto x = model.exact().sample(kImages, 5);
  const auto indices = first_indices(kImages);
  const auto procedure = linear_model(model.weights, model.bias, 1.0);
  const auto rows =
      fit_posterior(procedure->model(), {x, indices}, evaluation_noise(), {3000, 1e-2});
  const auto mean = rows.narrow(1, 0, 2);
  const auto variance = rows.narrow(1, 2, 2).exp();

  // ELBO of N(mean, diag variance) in closed form: log p(x) - KL(q, posterior).
  const auto difference = mean - model.posterior_mean(x);
  const auto square = difference.mm(model.precision).mul(difference).sum(1);
  const auto trace = variance.mv(model.precision.diagonal());
  const double log_determinant = -std::log(model.precision.det().item<double>());
  const auto gap = 0.5 * (square + trace - 2 + log_determinant - variance.log().sum(1));
  const double value = gap.mean().item<double>();
  std::printf("mean-field gap %.5f, answer %.5f\n", value, model.gap());
  EXPECT_NEAR(value, 0.8304, 0.005);
  EXPECT_GE(gap.min().item<double>(), model.gap() - 1e-9);
}

struct MeanFigures {
  double gap = 0;        // of the ELBO
  double error = 0;      // of log p^
  double deviation = 0;  // of the latter, as the figures say
};

MeanFigures mean_figures(const Correlated& model, std::int64_t images) {
  const auto x = model.exact().sample(images, 6);
  const auto exact = model.exact().log_density(x);
  const auto indices = first_indices(images);
  const auto procedure = linear_model(model.weights, model.bias, 1.0);
  const auto figures = procedure->evaluate({x, indices}, {1000}, evaluation_noise());
  MeanFigures mean;
  const auto count = static_cast<double>(images);
  double variance = 0;
  for (std::size_t i = 0; i < figures.elbo.size(); ++i) {
    const double truth = exact[static_cast<std::int64_t>(i)].item<double>();
    mean.gap += (truth - figures.elbo[i]) / count;
    mean.error += (figures.log_likelihood[i] - truth) / count;
    variance += figures.log_likelihood_variance[i] / count / count;
  }
  mean.deviation = std::sqrt(variance);
  std::printf("correlation %.1f: ELBO gap %.5f, answer %.5f; log p^ off by %.5f +- %.5f\n",
              model.correlation, mean.gap, model.gap(), mean.error, mean.deviation);
  return mean;
}

// With a correlation of .9 the posterior is so much wider than q along one direction that the
// weights have no variance: log p^ closes most of the gap, from below.
TEST(LatentOptimisation, EvaluatesTheMeanFieldGap) {
  const MeanFigures mean = mean_figures({}, 400);
  EXPECT_NEAR(mean.gap, 0.8304, 0.01);  // 4 SE of 400,000 draws are .006
  EXPECT_LT(mean.error, 0);
  EXPECT_GT(mean.error, -0.25 * mean.gap);
}

TEST(LatentOptimisation, EvaluatesTheTruth) {
  const MeanFigures mean = mean_figures({0.3}, 400);
  EXPECT_NEAR(mean.gap, 0.0472, 0.005);
  EXPECT_NEAR(mean.error, 0, 4 * mean.deviation + 0.002);
}

TEST(LatentOptimisation, RowsAreTheFittedPosteriorsPlace) {
  const auto linear = LinearModel::simulated(6, 2, 0.5);
  const auto procedure = linear_model(linear.weights_DK, linear.bias_D, 0.5);
  const auto x = linear.sample(9, 7);
  const auto indices = first_indices(9);
  const auto v = linear.weights_DK.t() / linear.m_diagonal().unsqueeze(1);
  const auto mean = (x - linear.bias_D).mm(v.t());
  const auto log_variance = (0.25 / linear.m_diagonal()).log().expand({9, 2});
  const Shard shard{x, indices, {}, torch::cat({mean, log_variance}, 1)};
  // With the exact posterior every weight is p(x).
  const auto exact = linear.log_density(x);
  const auto figures = procedure->evaluate(shard, {3}, evaluation_noise());
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_NEAR(figures.elbo[i], exact[static_cast<std::int64_t>(i)].item<double>(), 1e-9);
  }
  EXPECT_TRUE(torch::allclose(procedure->encode(shard).mean, mean));
  EXPECT_TRUE(torch::allclose(procedure->encode(shard).deviation, (0.5 * log_variance).exp()));
  const auto shown = mean.mm(linear.weights_DK.t()) + linear.bias_D;
  EXPECT_TRUE(torch::allclose(procedure->reconstruct(shard), shown));
  // Without rows the fit finds the same.
  const auto code = procedure->encode({x, indices});
  EXPECT_LT((code.mean - mean).abs().max().item<double>(), 0.05);
  EXPECT_LT((code.deviation.log() - 0.5 * log_variance).abs().max().item<double>(), 0.05);
}

TEST(LatentOptimisation, GradientsReachRowsAndDecoder) {
  const auto linear = LinearModel::simulated(5, 2, 0.7);
  const auto procedure = linear_model(linear.weights_DK, linear.bias_D, 0.7);
  const auto x = linear.sample(4, 8);
  const auto indices = first_indices(4);
  const auto start = procedure->initial_rows(indices, {3, 0, 0}).to(torch::kDouble);
  const auto objective_at = [&](const torch::Tensor& rows) {
    return procedure->terms({x, indices, {}, rows}, {3, 0, 1}, {}).objective;
  };
  const auto rows = start.clone().set_requires_grad(true);
  objective_at(rows).sum().backward();
  for (std::int64_t i = 0; i < start.numel(); ++i) {
    const torch::NoGradGuard no_grad;
    auto up = start.clone();
    auto down = start.clone();
    up.view(-1)[i] += 1e-5;
    down.view(-1)[i] -= 1e-5;
    const auto slope = (objective_at(up) - objective_at(down)) / 2e-5;
    EXPECT_NEAR(rows.grad().view(-1)[i].item<double>(), slope.sum().item<double>(), 1e-6);
    // A row belongs to its own sample.
    EXPECT_EQ(slope.count_nonzero().item<std::int64_t>(), 1);
  }
  for (const auto& parameter : procedure->parameters()) {
    EXPECT_GT(parameter.grad().abs().sum().item<double>(), 0);
  }
}

// Each block by itself, twice to the same bits, and no gradient of the decoder is left behind.
TEST(LatentOptimisation, FitIsAFunctionOfTheBlockAndLeavesTheModelAlone) {
  const auto linear = LinearModel::simulated(6, 3, 0.5);
  const auto procedure = linear_model(linear.weights_DK, linear.bias_D, 0.5, 120);
  const auto x = linear.sample(8, 9);
  const auto indices = first_indices(8);
  const auto before = torch::nn::utils::parameters_to_vector(procedure->parameters()).clone();
  const torch::NoGradGuard no_grad;
  const auto first = procedure->evaluate({x, indices}, {5}, evaluation_noise());
  (void)procedure->evaluate({x + 1, indices}, {5}, evaluation_noise());
  const auto second = procedure->evaluate({x, indices}, {5}, evaluation_noise());
  EXPECT_EQ(first.log_likelihood, second.log_likelihood);
  EXPECT_NE(first.log_likelihood,
            procedure->evaluate({x, indices}, {5}, evaluation_noise(2)).log_likelihood);
  EXPECT_TRUE(
      torch::equal(torch::nn::utils::parameters_to_vector(procedure->parameters()), before));
  for (const auto& parameter : procedure->parameters()) EXPECT_FALSE(parameter.grad().defined());
}

TEST(LatentOptimisation, FitStopsWhenItGainsNothing) {
  const auto linear = LinearModel::simulated(6, 1, 0.5);
  const auto procedure = linear_model(linear.weights_DK, linear.bias_D, 0.5);
  const auto x = linear.sample(256, 9);
  const auto indices = first_indices(256);
  const auto long_fit =
      fit_posterior(procedure->model(), {x, indices}, evaluation_noise(), {20000, 1e-2});
  const auto longer =
      fit_posterior(procedure->model(), {x, indices}, evaluation_noise(), {40000, 1e-2});
  EXPECT_TRUE(torch::equal(long_fit, longer));
}

TEST(LatentOptimisation, InitialRowsAreKeyedByTheSample) {
  const auto model = make_model(linear_options(3), raw_vectors(5), 1);
  EXPECT_EQ(model->row_width(), 6);
  const std::vector<std::int64_t> some = {4, 70000};
  const std::vector<std::int64_t> more = {9, 70000, 4};
  const auto rows = model->initial_rows(some, {1, 0, 0});
  const auto others = model->initial_rows(more, {1, 0, 0});
  EXPECT_TRUE(torch::equal(rows[0], others[2]));
  EXPECT_TRUE(torch::equal(rows[1], others[1]));
  EXPECT_FALSE(torch::equal(rows[0], rows[1]));
  EXPECT_FALSE(torch::equal(rows, model->initial_rows(some, {2, 0, 0})));
}

// Narrow, so that draws tell one sample from another, and around the middle of the prior.
TEST(LatentOptimisation, BeginsWithANarrowPosterior) {
  for (const std::string prior : {"gaussian", "uniform", "mixture"}) {
    ModelOptions options = linear_options(3);
    options.prior = prior;
    const auto model =
        std::dynamic_pointer_cast<LatentOptimisation>(make_model(options, raw_vectors(5), 1));
    const auto rows = model->initial_rows(first_indices(20), {1, 0, 0});
    const auto q = model->model().prior->posterior(rows.to(torch::kDouble));
    EXPECT_LT(q->mean().abs().max().item<double>(), 0.06) << prior;
    EXPECT_TRUE(torch::allclose(q->deviation(), torch::full({20, 3}, 0.05, torch::kDouble), 0.2))
        << prior << q->deviation();
  }
}

TEST(LatentOptimisation, RefusesWhatItCannotTrain) {
  const auto model = make_model(linear_options(2), raw_vectors(5), 1);
  const auto x = torch::zeros({3, 5});
  const auto indices = first_indices(3);
  EXPECT_THROW(model->terms({x, indices}, {}, {}), Error);
  EXPECT_THROW(model->terms({x, indices, {}, torch::zeros({3, 3})}, {}, {}), Error);
  EXPECT_THROW(model->terms({x, indices, {}, torch::zeros({2, 4})}, {}, {}), Error);
  EXPECT_THROW(model->evaluate({x, indices, {}, torch::zeros({2, 4})}, {}, {}), Error);
  ModelOptions options = linear_options(2);
  options.prior = "vamp";
  EXPECT_THAT([&] { make_model(options, raw_vectors(5), 1); },
              ThrowsMessage<ConfigError>(HasSubstr("made of an encoder")));
  OptionTable table;
  declare(table, options);
  EXPECT_THROW(table.apply_text("model.fit_steps", "0", "test"), ConfigError);
  EXPECT_THROW(table.apply_text("model.fit_rate", "0", "test"), ConfigError);
  EXPECT_THROW(table.apply_text("model.sphere", "cube", "test"), ConfigError);
}

}  // namespace
}  // namespace elbow
