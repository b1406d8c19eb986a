#include "trainer/model/glo.h"

#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/linear_model.h"

namespace elbow {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

ModelOptions glo_options(const std::string& sphere, std::int64_t latent = 3) {
  ModelOptions options;
  options.kind = "glo";
  options.latent = latent;
  options.widths = {};
  options.sigma = "0.5";
  options.sphere = sphere;
  return options;
}

std::shared_ptr<Glo> small_glo(const std::string& sphere, std::int64_t latent = 3) {
  return std::dynamic_pointer_cast<Glo>(make_model(glo_options(sphere, latent), raw_vectors(4), 1));
}

torch::Tensor some_codes() {
  return torch::tensor({{0.3F, -0.4F, 0.0F}, {3.0F, 4.0F, 0.0F}, {0.0F, 0.0F, 1.0F}});
}

TEST(Glo, ProjectsToTheBallOrToTheSphere) {
  torch::Tensor ball = some_codes();
  small_glo("ball")->project_rows(ball);
  EXPECT_TRUE(torch::equal(
      ball, torch::tensor({{0.3F, -0.4F, 0.0F}, {0.6F, 0.8F, 0.0F}, {0.0F, 0.0F, 1.0F}})));
  torch::Tensor sphere = some_codes();
  small_glo("sphere")->project_rows(sphere);
  EXPECT_LT((sphere - torch::tensor({{0.6F, -0.8F, 0.0F}, {0.6F, 0.8F, 0.0F}, {0.0F, 0.0F, 1.0F}}))
                .abs()
                .max()
                .item<double>(),
            1e-7);
  torch::Tensor origin = torch::zeros({1, 3});
  small_glo("sphere")->project_rows(origin);
  EXPECT_TRUE(torch::equal(origin, torch::zeros({1, 3})));
}

TEST(Glo, InitialCodesAreProjected) {
  const auto indices = first_indices(50);
  const auto ball = small_glo("ball")->initial_rows(indices, {1, 0, 0});
  EXPECT_LT(ball.abs().max().item<double>(), 0.06);
  const auto sphere = small_glo("sphere")->initial_rows(indices, {1, 0, 0});
  EXPECT_LT((sphere.norm(2, 1) - 1).abs().max().item<double>(), 1e-6);
}

// The squared error with its normaliser at the projected code, and nothing that claims a bound.
TEST(Glo, MaximisesTheReconstructionAlone) {
  for (const std::string sphere : {"ball", "sphere"}) {
    const auto model = small_glo(sphere);
    const auto codes = some_codes();
    const auto x = torch::linspace(-1, 2, 12).view({3, 4});
    const auto indices = first_indices(3);
    const Terms terms = model->terms({x, indices, {}, codes}, {}, {});
    EXPECT_FALSE(terms.elbo.defined());
    EXPECT_FALSE(terms.kl.defined());
    torch::Tensor projected = codes.clone();
    model->project_rows(projected);
    const auto parameters = model->named_parameters();
    const auto mean = projected.mm(parameters["decoder.network.0.weight"].t()) +
                      parameters["decoder.network.0.bias"];
    const auto expected =
        -(x - mean).square().sum(1) / (2 * 0.25) - 0.5 * 4 * std::log(2 * std::numbers::pi * 0.25);
    EXPECT_LT((terms.objective - expected).abs().max().item<double>(), 1e-5);
    EXPECT_TRUE(torch::equal(terms.objective, terms.reconstruction));
    EXPECT_TRUE(torch::equal(model->reconstruct({x, indices, {}, codes}), mean.detach()));
  }
}

TEST(Glo, GradientsReachCodesAndDecoderButNotTheGaussian) {
  const auto model = small_glo("ball");
  const auto indices = first_indices(3);
  const auto codes = some_codes().set_requires_grad(true);
  model->terms({torch::ones({3, 4}), indices, {}, codes}, {}, {}).objective.sum().backward();
  EXPECT_TRUE((codes.grad().abs().sum(1) > 0).all().item<bool>());
  for (const auto& item : model->named_parameters()) {
    const bool learns = item.key().rfind("codes.", 0) != 0;
    EXPECT_EQ(item.value().requires_grad(), learns) << item.key();
    EXPECT_EQ(item.value().grad().defined(), learns) << item.key();
  }
}

// The decoder passes codes on, so that what is sampled shows its mean and covariance: of 20,000
// draws within 4 SE. Codes are so small that no projection moves them.
TEST(Glo, SamplesTheGaussianOfTheCodes) {
  const auto model = small_glo("ball");
  {
    const torch::NoGradGuard no_grad;
    auto parameters = model->named_parameters();
    parameters["decoder.network.0.weight"].copy_(torch::eye(4, 3));
    parameters["decoder.network.0.bias"].zero_();
  }
  const auto mean = torch::tensor({0.05, -0.02, 0.0}, torch::kDouble);
  // Of rank 2: the third number is the sum of the others.
  const auto root = 0.03 * torch::tensor({{1.0, 0.0}, {0.5, 0.8}, {1.5, 0.8}}, torch::kDouble);
  const auto covariance = root.mm(root.t());
  model->take_row_moments(mean, covariance);
  constexpr std::int64_t kDraws = 20000;
  const auto indices = first_indices(kDraws);
  const auto z = model->sample(indices, {}, {4, 0, 0}, Show::kMean).narrow(1, 0, 3);
  const auto drawn = z.to(torch::kDouble);
  EXPECT_LT(drawn.norm(2, 1).max().item<double>(), 1.0);
  const auto drawn_mean = drawn.mean(0);
  const auto centred = drawn - drawn_mean;
  const auto drawn_covariance = centred.t().mm(centred) / kDraws;
  for (std::int64_t i = 0; i < 3; ++i) {
    const double variance = covariance[i][i].item<double>();
    EXPECT_NEAR(drawn_mean[i].item<double>(), mean[i].item<double>(),
                4 * std::sqrt(variance / kDraws));
    for (std::int64_t j = 0; j < 3; ++j) {
      const double product = variance * covariance[j][j].item<double>();
      const double square = std::pow(covariance[i][j].item<double>(), 2);
      EXPECT_NEAR(drawn_covariance[i][j].item<double>(), covariance[i][j].item<double>(),
                  4 * std::sqrt((product + square) / kDraws));
    }
  }
  // The null direction stays null.
  const auto off = drawn.select(1, 2) - drawn.select(1, 0) - drawn.select(1, 1) + 0.03;
  EXPECT_LT(off.abs().max().item<double>(), 1e-4);
}

// p(z) = N(0, I), p(x | z) at the projected z, by quadrature over one latent: on the sphere z is
// its sign.
TEST(Glo, EstimatesTheDeclaredModel) {
  for (const std::string sphere : {"ball", "sphere"}) {
    const auto model = small_glo(sphere, 1);
    const auto x = torch::tensor({{0.2F, 0.1F, -0.3F, 0.4F}, {1.0F, 0.5F, 0.0F, -0.5F}});
    const auto indices = first_indices(2);
    const auto figures = model->evaluate({x, indices}, {4000}, evaluation_noise());
    const torch::NoGradGuard no_grad;
    const auto parameters = model->named_parameters();
    const auto weight = parameters["decoder.network.0.weight"].to(torch::kDouble).view(-1);
    const auto bias = parameters["decoder.network.0.bias"].to(torch::kDouble);
    for (std::int64_t i = 0; i < 2; ++i) {
      double density = 0;
      constexpr double kStep = 1e-4;
      const auto z = torch::arange(-8 + kStep / 2, 8, kStep, torch::kDouble);
      const auto code = sphere == "ball" ? z.clamp(-1, 1) : z.sign();
      const auto error = x[i].to(torch::kDouble) - bias - code.unsqueeze(1) * weight;
      const auto log_joint = -error.square().sum(1) / 0.5 -
                             2 * std::log(2 * std::numbers::pi * 0.25) - 0.5 * z.square() -
                             0.5 * std::log(2 * std::numbers::pi);
      density = log_joint.exp().sum().item<double>() * kStep;
      const auto k = static_cast<std::size_t>(i);
      const double error_bar = std::sqrt(figures.log_likelihood_variance[k]);
      std::printf("%s: log p %.5f, estimate %.5f +- %.5f, ELBO %.5f\n", sphere.c_str(),
                  std::log(density), figures.log_likelihood[k], error_bar, figures.elbo[k]);
      EXPECT_NEAR(figures.log_likelihood[k], std::log(density), 4 * error_bar + 1e-5);
      EXPECT_LT(error_bar, 0.02);
      EXPECT_LT(figures.elbo[k], std::log(density) + 4 * error_bar);
    }
  }
}

TEST(Glo, RefusesWhatItCannotTrain) {
  const auto model = small_glo("ball");
  const auto indices = first_indices(3);
  EXPECT_THROW(model->terms({torch::zeros({3, 4}), indices}, {}, {}), Error);
  EXPECT_THROW(model->terms({torch::zeros({3, 4}), indices, {}, torch::zeros({2, 3})}, {}, {}),
               Error);
  ModelOptions options = glo_options("ball");
  options.prior = "uniform";
  EXPECT_THAT([&] { make_model(options, raw_vectors(4), 1); },
              ThrowsMessage<ConfigError>(HasSubstr("does not go with model.kind 'glo'")));
}

}  // namespace
}  // namespace elbow
