#include "trainer/model/vamp_prior.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/prior_checks.h"
#include "trainer/model/diagonal_gaussian.h"
#include "trainer/model/initialisation.h"
#include "trainer/model/options.h"

namespace elbow {
namespace {

struct VampModel {
  std::shared_ptr<Network> encoder;
  std::shared_ptr<Prior> prior;
};

VampModel vamp(std::int64_t components, std::int64_t latent) {
  ModelOptions options;
  options.components = components;
  options.latent = latent;
  options.widths = {6};
  options.activation = "tanh";
  const std::vector<std::int64_t> shape = {1, 2, 2};
  VampModel model;
  model.prior = make_vamp_prior(options, {0, shape});
  model.encoder = make_encoder(options, shape, model.prior->posterior_parameters());
  initialise(*model.encoder, 3);
  model.prior->set_encoder(model.encoder);
  return model;
}

TEST(VampPrior, IsTheMeanOfThePseudoInputsPosteriors) {
  const auto model = vamp(3, 2);
  const auto inputs = model.prior->named_parameters()["pseudo_inputs"];
  ASSERT_EQ(inputs.sizes(), (std::vector<std::int64_t>{3, 1, 2, 2}));
  const auto z = torch::tensor({{0.3, -0.8}, {2.0, 0.1}}, torch::kDouble);
  torch::Tensor density = torch::zeros({2}, torch::kDouble);
  for (std::int64_t k = 0; k < 3; ++k) {
    const auto output = model.encoder->forward(inputs.slice(0, k, k + 1), {}).to(torch::kDouble);
    density += DiagonalGaussian(output).log_density(z).exp() / 3.0;
  }
  EXPECT_TRUE(torch::allclose(model.prior->log_density(z, {}), density.log(), 1e-6, 1e-6));
}

TEST(VampPrior, DensityIntegratesToOne) {
  const auto model = vamp(4, 1);
  const torch::NoGradGuard no_grad;
  const auto density = [&](const torch::Tensor& z) {
    return model.prior->log_density(z.unsqueeze(1), {}).exp();
  };
  EXPECT_NEAR(integral(density, -15.0, 15.0), 1.0, 1e-9);
}

// At 4 standard errors.
TEST(VampPrior, SamplesFollowTheDensity) {
  constexpr std::int64_t kCount = 100000;
  const auto model = vamp(4, 1);
  const torch::NoGradGuard no_grad;
  {
    auto inputs = model.prior->named_parameters()["pseudo_inputs"];
    inputs.mul_(8.0);  // posteriors that differ
  }
  const auto z =
      model.prior->sample({1, Purpose::kSampling}, indices_up_to(kCount), 0, {}, torch::kFloat);
  const auto density = [&](const torch::Tensor& x) {
    return model.prior->log_density(x.unsqueeze(1), {});
  };
  expect_mean(z.lt(0.0), integral([&](const auto& x) { return density(x).exp(); }, -15.0, 0.0));
  expect_mean(z, integral([&](const auto& x) { return x * density(x).exp(); }, -15.0, 15.0));
  expect_mean(density(z.squeeze(1)),
              integral([&](const auto& x) { return density(x).exp() * density(x); }, -15.0, 15.0));
}

TEST(VampPrior, PseudoInputsAndEncoderLearn) {
  const auto model = vamp(3, 2);
  model.prior->log_density(torch::ones({4, 2}), {}).sum().backward();
  EXPECT_GT(model.prior->parameters().at(0).grad().abs().sum().item<double>(), 0);
  for (const auto& item : model.encoder->named_parameters()) {
    EXPECT_GT(item.value().grad().abs().sum().item<double>(), 0) << item.key();
  }
}

TEST(VampPrior, EncodersParametersAreNotItsOwn) {
  const auto model = vamp(3, 2);
  EXPECT_EQ(model.prior->parameters().size(), 1U);
  EXPECT_TRUE(model.prior->children().empty());
}

TEST(VampPrior, BeginsAlikeInsideTheRangeOfImages) {
  const auto first = vamp(5, 2).prior->parameters().at(0);
  EXPECT_TRUE(torch::equal(first, vamp(5, 2).prior->parameters().at(0)));
  EXPECT_TRUE(torch::logical_and(first > 0, first < 1).all().item<bool>());
  EXPECT_GT(torch::pdist(first.detach().flatten(1)).min().item<double>(), 0.0);
}

TEST(VampPrior, KlIsEstimatedFromDraws) {
  const auto model = vamp(3, 2);
  EXPECT_EQ(model.prior->latent(), 2);
  EXPECT_FALSE(
      model.prior->kl_by_latent(*model.prior->posterior(torch::zeros({1, 4})), {}).has_value());
}

TEST(VampPrior, WithoutItsEncoderIsRefused) {
  auto model = vamp(3, 2);
  model.encoder.reset();
  EXPECT_THROW(model.prior->log_density(torch::ones({1, 2}), {}), ConfigError);
  EXPECT_THROW(model.prior->sample({1, Purpose::kSampling}, indices_up_to(1), 0, {}, torch::kFloat),
               ConfigError);
}

TEST(VampPrior, ImpossibleOptionsAreRefused) {
  ModelOptions options;
  EXPECT_THROW(make_vamp_prior(options, {2, {4}}), ConfigError);
  EXPECT_THROW(make_vamp_prior(options, {}), Error);
  options.components = 0;
  EXPECT_THROW(make_vamp_prior(options, {0, {4}}), ConfigError);
}

}  // namespace
}  // namespace elbow
