#include "trainer/model/categorical_prior.h"

#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/prior_checks.h"
#include "trainer/model/categorical.h"
#include "trainer/model/diagonal_gaussian.h"

namespace elbow {
namespace {

std::shared_ptr<Prior> categorical(std::vector<std::int64_t> categories, double temperature = 0.5) {
  PriorOptions options;
  options.categories = std::move(categories);
  options.temperature = temperature;
  return make_categorical_prior(options, {});
}

torch::Tensor logits() { return torch::tensor({{0.5, -1.0, 2.0, 0.3, -0.4}}, torch::kDouble); }

TEST(CategoricalPrior, IsCalledWhatItIs) {
  EXPECT_EQ(categorical({10})->summary(), "1 latent of 10 values");
  EXPECT_EQ(categorical({3, 2})->summary(), "2 latents of 3, 2 values");
}

TEST(CategoricalPosterior, ProbabilitiesAreThoseOfTheLogits) {
  const Categorical q(logits(), {3, 2}, 0.5);
  const double first = std::exp(0.5) + std::exp(-1.0) + std::exp(2.0);
  const double second = std::exp(0.3) + std::exp(-0.4);
  EXPECT_NEAR(q.mean()[0][1].item<double>(), std::exp(-1.0) / first, 1e-12);
  EXPECT_NEAR(q.mean()[0][3].item<double>(), std::exp(0.3) / second, 1e-12);
  const double p = std::exp(0.3) / second;
  EXPECT_NEAR(q.deviation()[0][3].item<double>(), std::sqrt(p * (1 - p)), 1e-12);
  const auto z = torch::tensor({{0.0, 0.0, 1.0, 1.0, 0.0}}, torch::kDouble);
  EXPECT_NEAR(q.log_density(z).item<double>(), std::log(std::exp(2.0) / first * p), 1e-12);
}

TEST(CategoricalPosterior, ValuesAreAllThereAre) {
  const Categorical q(logits().expand({2, 5}), {3, 2}, 0.5);
  ASSERT_EQ(q.values(), 6);
  double total = 0;
  std::set<std::vector<double>> seen;
  for (std::int64_t k = 0; k < q.values(); ++k) {
    const auto z = q.value(k);
    ASSERT_EQ(z.sizes(), (std::vector<std::int64_t>{2, 5}));
    EXPECT_EQ(z[1].slice(0, 0, 3).argmax().item<std::int64_t>(), k / 2);
    EXPECT_EQ(z[1].slice(0, 3, 5).argmax().item<std::int64_t>(), k % 2);
    EXPECT_EQ(z[1].sum().item<double>(), 2.0);
    const auto row = z[1].contiguous();
    seen.emplace(row.const_data_ptr<double>(), row.const_data_ptr<double>() + 5);
    total += q.log_density(z)[1].exp().item<double>();
  }
  EXPECT_EQ(seen.size(), 6U);
  EXPECT_NEAR(total, 1.0, 1e-12);
  EXPECT_THROW(q.value(6), Error);
  EXPECT_THROW(q.value(-1), Error);
}

TEST(CategoricalPosterior, OnlyFewValuesAreEnumerated) {
  EXPECT_EQ(Categorical(torch::zeros({1, 64}), {64}, 0.5).values(), 64);
  EXPECT_EQ(Categorical(torch::zeros({1, 16}), {8, 8}, 0.5).values(), 64);
  EXPECT_EQ(Categorical(torch::zeros({1, 65}), {65}, 0.5).values(), 0);
  EXPECT_EQ(Categorical(torch::zeros({1, 60}), std::vector<std::int64_t>(30, 2), 0.5).values(), 0);
}

TEST(CategoricalPosterior, KlIsTheSumOverItsValues) {
  const auto prior = categorical({3, 2});
  const auto q = prior->posterior(logits());
  double expected = 0;
  for (std::int64_t k = 0; k < q->values(); ++k) {
    const auto z = q->value(k);
    const double log_q = q->log_density(z).item<double>();
    expected += std::exp(log_q) * (log_q - prior->log_density(z, {}).item<double>());
  }
  const auto kl = *prior->kl_by_latent(*q, {});
  ASSERT_EQ(kl.sizes(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_NEAR(kl.sum().item<double>(), expected, 1e-12);
  const auto last =
      *categorical({2})->kl_by_latent(*categorical({2})->posterior(logits().slice(1, 3, 5)), {});
  EXPECT_NEAR(kl[0][1].item<double>(), last.item<double>(), 1e-12);
}

// Each frequency at 4 standard errors.
TEST(CategoricalPosterior, ExactDrawsHaveTheirProbabilities) {
  constexpr std::int64_t kCount = 100000;
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    const Categorical q(logits().to(type).expand({kCount, 5}), {3, 2}, 0.5);
    const auto z = q.exact_draw(q.noise({1, Purpose::kPosterior}, indices_up_to(kCount), 0));
    EXPECT_TRUE(torch::logical_or(z == 0, z == 1).all().item<bool>());
    EXPECT_TRUE((z.slice(1, 0, 3).sum(1) == 1).all().item<bool>());
    EXPECT_TRUE((z.slice(1, 3, 5).sum(1) == 1).all().item<bool>());
    for (std::int64_t k = 0; k < 5; ++k) {
      expect_mean(z.select(1, k), q.mean()[0][k].item<double>());
    }
    expect_mean(z.select(1, 0) * z.select(1, 3), (q.mean()[0][0] * q.mean()[0][3]).item<double>());
  }
}

TEST(CategoricalPosterior, RelaxedDrawsTendToTheExactOnes) {
  const auto many = logits().expand({200, 5});
  const Categorical cold(many, {3, 2}, 0.01);
  const Categorical warm(many, {3, 2}, 0.5);
  const auto noise = warm.noise({1, Purpose::kPosterior}, indices_up_to(200), 0);
  const auto exact = warm.exact_draw(noise);
  // At a temperature of .01 the largest must lead by .1 to be within exp(-10).
  EXPECT_GT((cold.draw(noise) - exact).abs().lt(1e-4).to(torch::kDouble).mean().item<double>(),
            0.85);
  EXPECT_TRUE(
      torch::equal(cold.draw(noise).slice(1, 0, 3).argmax(1), exact.slice(1, 0, 3).argmax(1)));
  const auto relaxed = warm.draw(noise);
  EXPECT_TRUE(warm.is_relaxed());
  EXPECT_TRUE(torch::allclose(relaxed.slice(1, 0, 3).sum(1), torch::ones({200}, torch::kDouble)));
  EXPECT_LT(relaxed.slice(1, 3, 5).max().item<double>(), 1.0);
}

// softmax((logits + g) / T), written out for one row.
TEST(CategoricalPosterior, RelaxedDrawIsTheSoftmaxOfPerturbedLogits) {
  auto input = logits().set_requires_grad(true);
  const Categorical q(input, {3, 2}, 0.7);
  const auto u = torch::tensor({{0.1, 0.9, 0.4, 0.6, 0.2}}, torch::kDouble);
  const auto z = q.draw(u);
  const auto scaled = [&](double logit, double uniform) {
    return std::exp((logit - std::log(-std::log(uniform))) / 0.7);
  };
  const double first = scaled(0.3, 0.6);
  const double second = scaled(-0.4, 0.2);
  EXPECT_NEAR(z[0][3].item<double>(), first / (first + second), 1e-12);
  z[0][3].backward();
  const double share = first / (first + second);
  EXPECT_NEAR(input.grad()[0][3].item<double>(), share * (1 - share) / 0.7, 1e-12);
  EXPECT_EQ(input.grad()[0][0].item<double>(), 0.0);
}

TEST(CategoricalPosterior, ExtremeLogitsAndNoiseAreFinite) {
  auto extreme = torch::tensor({{1e4F, -1e4F, 0.0F}}).set_requires_grad(true);
  const Categorical q(extreme, {3}, 0.1);
  for (const double u : {0x1p-33, 1.0 - 0x1p-24}) {
    EXPECT_TRUE(q.draw(torch::full({1, 3}, u, torch::kFloat)).isfinite().all().item<bool>());
  }
  const auto kl = q.kl_to_uniform();
  EXPECT_NEAR(kl.item<double>(), std::log(3.0), 1e-6);
  (kl.sum() + q.log_density(q.value(1)).sum()).backward();
  EXPECT_TRUE(extreme.grad().isfinite().all().item<bool>());
}

TEST(CategoricalPosterior, DetachedIsTheSameWithoutGradient) {
  auto input = logits().set_requires_grad(true);
  const Categorical q(input, {3, 2}, 0.5);
  const auto constant = q.detached();
  EXPECT_FALSE(constant->mean().requires_grad());
  EXPECT_TRUE(torch::allclose(constant->mean(), q.mean()));
  EXPECT_EQ(constant->values(), 6);
}

TEST(CategoricalPrior, SamplesAreUniformOneHots) {
  constexpr std::int64_t kCount = 100000;
  const auto prior = categorical({4, 2});
  EXPECT_EQ(prior->latent(), 6);
  EXPECT_EQ(prior->posterior_parameters(), 6);
  const auto z =
      prior->sample({1, Purpose::kSampling}, indices_up_to(kCount), 0, {}, torch::kFloat);
  EXPECT_EQ(z.scalar_type(), torch::kFloat);
  for (std::int64_t k = 0; k < 6; ++k) expect_mean(z.select(1, k), k < 4 ? 0.25 : 0.5);
  EXPECT_NEAR(prior->log_density(z, {})[7].item<double>(), -std::log(8.0), 1e-6);
}

TEST(CategoricalPrior, HasNoClosedKlForOtherPosteriors) {
  EXPECT_FALSE(
      categorical({2})->kl_by_latent(DiagonalGaussian(torch::zeros({1, 2})), {}).has_value());
}

TEST(CategoricalPrior, ImpossibleOptionsAreRefused) {
  EXPECT_THROW(categorical({}), ConfigError);
  EXPECT_THROW(categorical({3}, 0.0), ConfigError);
  EXPECT_THROW(categorical({3}, std::nan("")), ConfigError);
  try {
    categorical({10, 1});
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("model.categories: 1 in [10, 1]"));
  }
}

}  // namespace
}  // namespace elbow
