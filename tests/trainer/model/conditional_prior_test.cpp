#include "trainer/model/conditional_prior.h"

#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/prior_checks.h"
#include "trainer/model/diagonal_gaussian.h"
#include "trainer/model/uniform_prior.h"

namespace elbow {
namespace {

std::shared_ptr<Prior> conditional(std::int64_t condition, std::int64_t latent) {
  PriorOptions options;
  options.latent = latent;
  return make_conditional_prior(options, {condition, {4}});
}

// z = one number, two classes: N(-1, e^-1) and N(2, e^.5).
std::shared_ptr<Prior> known() {
  auto prior = conditional(2, 1);
  const torch::NoGradGuard no_grad;
  prior->named_parameters()["linear.weight"].copy_(torch::tensor({{-1.5, 1.5}, {-1.2, 0.3}}));
  prior->named_parameters()["linear.bias"].copy_(torch::tensor({0.5, 0.2}));
  return prior;
}

torch::Tensor one_hot(std::int64_t k, std::int64_t rows) {
  auto c = torch::zeros({rows, 2});
  c.select(1, k).fill_(1);
  return c;
}

struct Gaussian {
  double mean;
  double log_variance;
};
constexpr std::array<Gaussian, 2> kClasses = {Gaussian{-1.0, -1.0}, Gaussian{2.0, 0.5}};

TEST(ConditionalPrior, EachClassHasItsGaussian) {
  const auto prior = known();
  const auto z = torch::tensor({{0.4}, {1.1}}, torch::kDouble);
  for (std::int64_t k = 0; k < 2; ++k) {
    const auto& p = kClasses.at(static_cast<std::size_t>(k));
    const DiagonalGaussian expected(torch::full({2, 1}, p.mean, torch::kDouble),
                                    torch::full({2, 1}, p.log_variance, torch::kDouble));
    EXPECT_TRUE(
        torch::allclose(prior->log_density(z, one_hot(k, 2)), expected.log_density(z), 1e-6, 1e-6));
    EXPECT_NEAR(integral(
                    [&](const auto& x) {
                      return prior->log_density(x.unsqueeze(1), one_hot(k, x.size(0))).exp();
                    },
                    -20.0, 20.0),
                1.0, 1e-6);
  }
}

TEST(ConditionalPrior, IsLinearInOtherConditions) {
  const auto prior = known();
  const auto c = torch::tensor({{0.5F, -0.2F}});
  const double mean = 0.5 - 1.5 * 0.5 + 1.5 * -0.2;
  const double log_variance = 0.2 - 1.2 * 0.5 + 0.3 * -0.2;
  const DiagonalGaussian expected(torch::full({1, 1}, mean), torch::full({1, 1}, log_variance));
  const auto z = torch::full({1, 1}, 0.7F);
  EXPECT_NEAR(prior->log_density(z, c).item<double>(), expected.log_density(z).item<double>(),
              1e-5);
}

TEST(ConditionalPrior, KlMatchesQuadrature) {
  const auto prior = known();
  for (std::int64_t k = 0; k < 2; ++k) {
    const auto c = one_hot(k, 1);
    const auto q = prior->posterior(torch::tensor({{0.6, -1.4}}, torch::kDouble));
    const double kl = integral(
        [&](const torch::Tensor& x) {
          const auto log_q = q->log_density(x.unsqueeze(1));
          const auto log_p = prior->log_density(x.unsqueeze(1), c.expand({x.size(0), 2}));
          return log_q.exp() * (log_q - log_p);
        },
        -8.0, 9.0);
    EXPECT_NEAR(prior->kl_by_latent(*q, c)->item<double>(), kl, 1e-8);
  }
}

TEST(ConditionalPrior, KlHasAColumnForEachLatentAndARowForEachCondition) {
  const auto prior = conditional(2, 3);
  const auto q = prior->posterior(torch::zeros({2, 6}));
  const auto kl = *prior->kl_by_latent(*q, torch::eye(2));
  ASSERT_EQ(kl.sizes(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_FALSE(torch::allclose(kl[0], kl[1]));
  EXPECT_TRUE(torch::allclose((*prior->kl_by_latent(*q, torch::eye(2).flip(0)))[0], kl[1]));
}

// At 4 standard errors.
TEST(ConditionalPrior, SamplesFollowTheDensity) {
  constexpr std::int64_t kCount = 100000;
  for (std::int64_t k = 0; k < 2; ++k) {
    const auto z = known()->sample({1, Purpose::kSampling}, indices_up_to(kCount), 0,
                                   one_hot(k, kCount), torch::kFloat);
    const auto& p = kClasses.at(static_cast<std::size_t>(k));
    expect_mean(z, p.mean);
    expect_mean((z - p.mean).square(), std::exp(p.log_variance));
  }
}

TEST(ConditionalPrior, Learns) {
  const auto prior = known();
  const auto q = prior->posterior(torch::zeros({2, 2}));
  prior->kl_by_latent(*q, torch::eye(2))->sum().backward();
  for (const auto& item : prior->named_parameters()) {
    EXPECT_GT(item.value().grad().abs().min().item<double>(), 0) << item.key();
  }
}

TEST(ConditionalPrior, HasNoClosedKlForOtherPosteriors) {
  PriorOptions options;
  options.latent = 1;
  const auto q = make_uniform_prior(options, {})->posterior(torch::zeros({1, 2}));
  EXPECT_FALSE(known()->kl_by_latent(*q, one_hot(0, 1)).has_value());
}

TEST(ConditionalPrior, MissingOrWrongConditionIsRefused) {
  EXPECT_THROW(conditional(0, 2), ConfigError);
  const auto prior = known();
  const auto z = torch::zeros({2, 1});
  EXPECT_THROW(prior->log_density(z, {}), ConfigError);
  EXPECT_THROW(prior->sample({1, Purpose::kSampling}, indices_up_to(2), 0, {}, torch::kFloat),
               ConfigError);
  EXPECT_THROW(prior->kl_by_latent(*prior->posterior(torch::zeros({2, 2})), {}), ConfigError);
  EXPECT_THROW(prior->log_density(z, one_hot(0, 3)), Error);
  EXPECT_THROW(prior->log_density(z, torch::zeros({2, 3})), Error);
  EXPECT_THROW(prior->log_density(z, torch::zeros({2})), Error);
}

}  // namespace
}  // namespace elbow
