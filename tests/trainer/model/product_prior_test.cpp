#include "trainer/model/product_prior.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/prior_checks.h"
#include "trainer/model/diagonal_gaussian.h"

namespace elbow {
namespace {

std::shared_ptr<Prior> product(std::vector<std::string> factors, std::int64_t condition = 0) {
  PriorOptions options;
  options.prior = "product";
  options.factors = std::move(factors);
  options.components = 3;
  return make_prior(options, {condition, {4}});
}

std::shared_ptr<Prior> single(const std::string& name, std::int64_t size) {
  PriorOptions options;
  options.prior = name;
  options.latent = size;
  options.categories = {size};
  return make_prior(options);
}

const NoiseKey kProductKey{1, Purpose::kPosterior};

// Cars3D as the lecture has it: which car, and two angles.
TEST(ProductPrior, CarsAreACategoryAndTwoNumbers) {
  const auto prior = product({"categorical 183", "uniform 2"});
  EXPECT_EQ(prior->latent(), 185);
  EXPECT_EQ(prior->summary(), "1 latent of 183 values and 2 latents");
  EXPECT_EQ(prior->posterior_parameters(), 187);
  const auto z = prior->sample({1, Purpose::kSampling}, indices_up_to(4), 0, {}, torch::kFloat);
  EXPECT_TRUE((z.slice(1, 0, 183).sum(1) == 1).all().item<bool>());
  EXPECT_TRUE(z.slice(1, 183).abs().le(1).all().item<bool>());
  EXPECT_NEAR(prior->log_density(z, {})[2].item<double>(), -std::log(183.0) - 2 * std::log(2.0),
              1e-5);
  const auto q = prior->posterior(torch::zeros({4, 187}));
  EXPECT_EQ(prior->kl_by_latent(*q, {})->sizes(), (std::vector<std::int64_t>{4, 3}));
  EXPECT_EQ(q->values(), 0);
  EXPECT_TRUE(q->is_relaxed());
}

// Everything a product says is what its parts say of their own range.
TEST(ProductPrior, IsItsPartsSideBySide) {
  const auto prior = product({"gaussian 2", "categorical 3", "uniform 1"});
  const auto output = normal_noise(kProductKey, indices_up_to(5), 9, {9}, torch::kDouble);
  const auto q = prior->posterior(output);
  const auto gaussian = single("gaussian", 2);
  const auto category = single("categorical", 3);
  const auto uniform = single("uniform", 1);
  const auto a = gaussian->posterior(output.slice(1, 0, 4));
  const auto b = category->posterior(output.slice(1, 4, 7));
  const auto c = uniform->posterior(output.slice(1, 7, 9));
  const auto joined = [](const torch::Tensor& x, const torch::Tensor& y, const torch::Tensor& z) {
    return torch::cat({x, y, z}, 1);
  };
  EXPECT_TRUE(torch::equal(q->mean(), joined(a->mean(), b->mean(), c->mean())));
  EXPECT_TRUE(torch::equal(q->deviation(), joined(a->deviation(), b->deviation(), c->deviation())));
  EXPECT_TRUE(torch::equal(*prior->kl_by_latent(*q, {}),
                           joined(*gaussian->kl_by_latent(*a, {}), *category->kl_by_latent(*b, {}),
                                  *uniform->kl_by_latent(*c, {}))));
  const auto noise = q->noise(kProductKey, indices_up_to(5), 0);
  const auto u = noise.slice(1, 0, 2);
  const auto v = noise.slice(1, 2, 5);
  const auto w = noise.slice(1, 5, 6);
  EXPECT_TRUE(torch::equal(u, a->noise(kProductKey, indices_up_to(5), 0)));
  EXPECT_TRUE(torch::equal(q->draw(noise), joined(a->draw(u), b->draw(v), c->draw(w))));
  const auto z = q->exact_draw(noise);
  EXPECT_TRUE(torch::equal(z, joined(a->draw(u), b->exact_draw(v), c->draw(w))));
  const auto x = z.slice(1, 0, 2);
  const auto y = z.slice(1, 2, 5);
  const auto t = z.slice(1, 5, 6);
  EXPECT_TRUE(torch::allclose(q->log_density(z),
                              a->log_density(x) + b->log_density(y) + c->log_density(t)));
  EXPECT_TRUE(torch::allclose(
      prior->log_density(z, {}),
      gaussian->log_density(x, {}) + category->log_density(y, {}) + uniform->log_density(t, {})));
}

// At 4 standard errors.
TEST(ProductPrior, PartsAreIndependent) {
  constexpr std::int64_t kCount = 100000;
  const auto prior = product({"gaussian 1", "gaussian 1", "uniform 1"});
  const auto z =
      prior->sample({1, Purpose::kSampling}, indices_up_to(kCount), 0, {}, torch::kDouble);
  const auto q = prior->posterior(torch::zeros({kCount, 6}, torch::kDouble));
  const auto drawn = q->draw(q->noise(kProductKey, indices_up_to(kCount), 0));
  for (const auto& values : {z, drawn}) {
    expect_mean(values.select(1, 0) * values.select(1, 1), 0.0);
    expect_mean(values.select(1, 0) * values.select(1, 2), 0.0);
    expect_mean(values.select(1, 1) * values.select(1, 2), 0.0);
  }
}

TEST(ProductPrior, KlIsTheMeanLogRatio) {
  constexpr std::int64_t kCount = 100000;
  const auto prior = product({"gaussian 2", "categorical 3", "uniform 1"});
  const auto row = torch::tensor({0.4, -0.3, -1.0, 0.2, 1.0, 0.0, -0.5, 0.6, -1.2}, torch::kDouble);
  const auto q = prior->posterior(row.expand({kCount, 9}));
  const auto z = q->exact_draw(q->noise(kProductKey, indices_up_to(kCount), 0));
  expect_mean(q->log_density(z) - prior->log_density(z, {}),
              (*prior->kl_by_latent(*q, {}))[0].sum().item<double>());
}

TEST(ProductPrior, HasAClosedKlOnlyWhereAllPartsHave) {
  const auto prior = product({"gaussian 1", "mixture 2"});
  const auto q = prior->posterior(torch::zeros({2, 6}));
  EXPECT_FALSE(prior->kl_by_latent(*q, {}).has_value());
  EXPECT_FALSE(q->is_relaxed());
  EXPECT_FALSE(product({"gaussian 1"})
                   ->kl_by_latent(DiagonalGaussian(torch::zeros({1, 2})), {})
                   .has_value());
}

TEST(ProductPrior, PartsLearnAndAreConditioned) {
  const auto prior = product({"uniform 1", "conditional 2"}, 3);
  const auto parameters = prior->named_parameters();
  ASSERT_EQ(parameters.size(), 2U);
  EXPECT_EQ(parameters[0].key(), "1.linear.weight");
  const auto c = torch::eye(3);
  const auto z = prior->sample({1, Purpose::kSampling}, indices_up_to(3), 0, c, torch::kFloat);
  EXPECT_EQ(z.sizes(), (std::vector<std::int64_t>{3, 3}));
  EXPECT_TRUE(prior->log_density(z, c).requires_grad());
  EXPECT_THROW(prior->log_density(z, {}), ConfigError);
}

TEST(ProductPrior, DetachedIsTheSameWithoutGradient) {
  auto output = torch::zeros({1, 7}).set_requires_grad(true);
  const auto q = product({"categorical 3", "uniform 2"})->posterior(output);
  const auto constant = q->detached();
  EXPECT_TRUE(q->mean().requires_grad());
  EXPECT_FALSE(constant->mean().requires_grad());
  EXPECT_TRUE(torch::equal(constant->mean(), q->mean().detach()));
}

void expect_refusal(std::vector<std::string> factors, const std::string& reason) {
  try {
    product(std::move(factors), 0);
    ADD_FAILURE() << "not refused: " << reason;
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(reason));
  }
}

TEST(ProductPrior, ImpossibleFactorsAreRefused) {
  expect_refusal({}, "from 1 to 64 factors, not 0");
  expect_refusal(std::vector<std::string>(65, "uniform 1"), "not 65");
  expect_refusal({"uniform"}, "'uniform' is not a prior and its size");
  expect_refusal({"uniform two"}, "'uniform two' is not a prior and its size");
  expect_refusal({"uniform 2 3"}, "'uniform 2 3' is not a prior and its size");
  expect_refusal({""}, "'' is not a prior and its size");
  expect_refusal({"unifrm 2"}, "did you mean 'uniform'?");
  expect_refusal({"product 2"}, "'product' is no factor");
  expect_refusal({"vamp 2"}, "'vamp' is no factor");
  expect_refusal({"uniform 0"}, "must be from 1 to 65536");
  expect_refusal({"uniform 65537"}, "must be from 1 to 65536");
  expect_refusal({"categorical 1"}, "must be from 2 to 65536");
  expect_refusal({"categorical 4", "mixture 2"}, "does not go beside categories");
  expect_refusal({"conditional 2"}, "the model has no condition");
}

}  // namespace
}  // namespace elbow
