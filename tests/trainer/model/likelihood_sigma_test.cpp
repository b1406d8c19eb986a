// model.sigma: learned, per dimension, optimal or fixed, for the likelihoods that have one.
#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/trainer/model/likelihood_cases.h"
#include "trainer/model/keyed_noise.h"
#include "trainer/model/scaled_likelihood.h"

namespace elbow {
namespace {

constexpr std::int64_t kVariables = 3;
constexpr std::int64_t kSamples = 500;

std::shared_ptr<ScaledLikelihood> scaled(const std::string& name, const std::string& sigma,
                                         double floor = 1e-4) {
  return std::dynamic_pointer_cast<ScaledLikelihood>(
      likelihood_of(name, sigma, kVariables, 256, floor));
}

void set_parameter(const Likelihood& likelihood, const std::vector<double>& values) {
  torch::NoGradGuard no_grad;
  auto parameter = likelihood.parameters().at(0);
  parameter.copy_(torch::tensor(values, torch::kDouble).view(parameter.sizes()));
}

// What remains between data and a decoder's output: not of the likelihood's own form.
struct Residuals {
  torch::Tensor x = uniform_noise({5, Purpose::kSampling}, indices_below(kSamples), 0, {kVariables},
                                  torch::kDouble);
  torch::Tensor output = 0.2 * normal_noise({5, Purpose::kSampling}, indices_below(kSamples), 1,
                                            {1, kVariables}, torch::kDouble);

  double mean_log_density(const Likelihood& likelihood) const {
    torch::NoGradGuard no_grad;
    return likelihood.log_density(x, output).mean().item<double>();
  }
};

// The sigma that maximises the mean of log p, by golden sections of log sigma.
double best_sigma_by_search(ScaledLikelihood& likelihood, const Residuals& residuals) {
  const auto value = [&](double log_sigma) {
    likelihood.set_sigma(std::exp(log_sigma));
    return residuals.mean_log_density(likelihood);
  };
  const double share = 1 / std::numbers::phi;
  double low = std::log(1e-3);
  double high = std::log(1e2);
  while (high - low > 1e-7) {
    const double left = high - share * (high - low);
    const double right = low + share * (high - low);
    if (value(left) < value(right)) {
      low = left;
    } else {
      high = right;
    }
  }
  return std::exp(0.5 * (low + high));
}

class Sigma : public testing::TestWithParam<std::string> {};
class ClosedSigma : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Likelihoods, Sigma,
                         testing::Values("gaussian", "laplace", "discretised-logistic"));
INSTANTIATE_TEST_SUITE_P(Likelihoods, ClosedSigma, testing::Values("gaussian", "laplace"));

// From any sigma that the mean was taken under. The parameter is a float: 1e-6 of its size is what
// it can hold; the search is at a maximum, which 1e-16 of log p leaves uncertain by 1e-8.
TEST_P(ClosedSigma, OptimumIsTheOneThatASearchFinds) {
  const Residuals residuals;
  const double best = best_sigma_by_search(*scaled(GetParam(), "1.0"), residuals);
  const auto likelihood = scaled(GetParam(), "optimal");
  EXPECT_TRUE(likelihood->is_fitted());
  for (const double start : {0.01, 0.3, 5.0}) {
    likelihood->set_sigma(start);
    likelihood->fit(residuals.mean_log_density(*likelihood), kVariables);
    EXPECT_NEAR(likelihood->sigma(), best, 2e-6 * best) << start;
  }
}

TEST_P(ClosedSigma, OptimumHasItsFormula) {
  const Residuals residuals;
  const auto errors = (residuals.x - residuals.output.squeeze(1)).abs();
  const auto likelihood = scaled(GetParam(), "optimal");
  likelihood->fit(residuals.mean_log_density(*likelihood), kVariables);
  const double expected = GetParam() == "gaussian"
                              ? std::sqrt(errors.square().mean().item<double>())
                              : std::sqrt(2.0) * errors.mean().item<double>();
  EXPECT_NEAR(likelihood->sigma(), expected, 2e-6 * expected);
  EXPECT_THAT(likelihood->summary(), testing::HasSubstr("(optimal)"));
}

TEST_P(ClosedSigma, OptimumStaysAboveTheFloorAndFinite) {
  const auto likelihood = scaled(GetParam(), "optimal", 0.01);
  const auto x = torch::zeros({4, kVariables}, torch::kDouble);
  for (int epoch = 0; epoch < 3; ++epoch) {
    const auto perfect = likelihood->log_density(x, x.unsqueeze(1)).mean();
    likelihood->fit(perfect.item<double>(), kVariables);
    EXPECT_NEAR(likelihood->sigma(), 0.01, 1e-7);
    EXPECT_TRUE(likelihood->parameters().at(0).isfinite().item<bool>());
    likelihood->set_sigma(likelihood->sigma() * 10);
  }
  EXPECT_THROW(likelihood->fit(std::nan(""), kVariables), Error);
  EXPECT_THROW(likelihood->fit(-INFINITY, kVariables), Error);
}

// A checkpoint holds it, and an optimiser leaves it as it is.
TEST_P(ClosedSigma, OptimalSigmaIsAParameterWithoutGradient) {
  const auto likelihood = scaled(GetParam(), "optimal");
  ASSERT_EQ(likelihood->named_parameters().size(), 1U);
  auto parameter = likelihood->parameters().at(0);
  parameter.mutable_grad() = torch::zeros_like(parameter);
  auto output = torch::zeros({2, 1, kVariables}).requires_grad_();
  likelihood->log_density(torch::ones({2, kVariables}), output).sum().backward();
  EXPECT_EQ(parameter.grad().item<double>(), 0.0);
  EXPECT_TRUE((output.grad() != 0).all().item<bool>());
}

TEST_P(Sigma, OnlyOptimalOnesAreFitted) {
  for (const char* sigma : {"learned", "per-dimension", "0.5"}) {
    const auto likelihood = scaled(GetParam(), sigma);
    EXPECT_FALSE(likelihood->is_fitted());
    EXPECT_THROW(likelihood->fit(-1.0, kVariables), Error) << sigma;
  }
}

TEST_P(Sigma, IsLearnedFromASensibleStart) {
  LikelihoodOptions options;
  options.likelihood = GetParam();
  const Observation pictures({}, {{2, 4, 3}, ValueType::kUint8}, GetParam());
  for (const char* sigma : {"learned", "per-dimension"}) {
    options.sigma = sigma;
    const auto likelihood =
        std::dynamic_pointer_cast<ScaledLikelihood>(make_likelihood(options, pictures));
    EXPECT_NEAR(likelihood->sigma(), 0.1, 1e-6);
    ASSERT_EQ(likelihood->named_parameters().size(), 1U);
    EXPECT_EQ(likelihood->named_parameters()[0].key(), "log_sigma");
    // At most one axis: weight decay takes what has two for weights.
    EXPECT_EQ(likelihood->parameters()[0].numel(), sigma == std::string("learned") ? 1 : 24);
    EXPECT_LE(likelihood->parameters()[0].dim(), 1);
  }
  EXPECT_TRUE(scaled(GetParam(), "0.5")->parameters().empty());
  EXPECT_EQ(scaled(GetParam(), "0.5")->sigma(), 0.5);
}

TEST_P(Sigma, StaysAboveItsFloorWithAGradient) {
  for (const char* sigma : {"learned", "per-dimension"}) {
    const auto likelihood = scaled(GetParam(), sigma, 0.01);
    auto parameter = likelihood->parameters().at(0);
    set_parameter(*likelihood,
                  std::vector<double>(static_cast<std::size_t>(parameter.numel()), -8));
    EXPECT_NEAR(likelihood->sigma(), 0.01, 1e-5);
    const auto far = torch::full({1, 1, kVariables}, 0.9);
    likelihood->log_density(torch::zeros({1, kVariables}) + 0.5, far).sum().backward();
    EXPECT_TRUE((parameter.grad() > 0).all().item<bool>()) << sigma;
    likelihood->set_sigma(0.2);
    EXPECT_NEAR(likelihood->sigma(), 0.2, 1e-6);
    EXPECT_THROW(likelihood->set_sigma(0.01), ConfigError);
  }
}

// Each variable as a likelihood of its own would have it.
TEST_P(Sigma, PerDimensionIsAProductOfItsVariables) {
  const auto likelihood = scaled(GetParam(), "per-dimension");
  const std::vector<double> log_sigma = {-3.0, -1.5, -0.5};
  set_parameter(*likelihood, log_sigma);
  const auto x = torch::tensor({{0.0, 0.5, 0.25}, {0.125, 0.0, 0.75}}, torch::kDouble);
  const auto output = torch::tensor({{{0.1, 0.7, 0.2}}, {{0.3, -0.1, 0.5}}}, torch::kDouble);
  auto sum = torch::zeros({2}, torch::kDouble);
  double squares = 0;
  for (std::int64_t d = 0; d < kVariables; ++d) {
    const auto alone = likelihood_of(GetParam(), "learned");
    set_parameter(*alone, {log_sigma[static_cast<std::size_t>(d)]});
    sum += alone->log_density(x.narrow(1, d, 1), output.narrow(2, d, 1));
    squares += std::exp(2 * log_sigma[static_cast<std::size_t>(d)]) / kVariables;
  }
  EXPECT_TRUE(torch::allclose(likelihood->log_density(x, output), sum, 1e-6, 1e-6));
  EXPECT_NEAR(likelihood->sigma(), std::sqrt(squares), 1e-5);
  EXPECT_THAT(likelihood->summary(), testing::HasSubstr("0.04979 to 0.6065 (learned per dimen"));
}

TEST_P(Sigma, PerDimensionFollowsTheShapeOfImages) {
  LikelihoodOptions options;
  options.likelihood = GetParam();
  options.sigma = "per-dimension";
  const Observation pictures({}, {{2, 4, 3}, ValueType::kUint8}, GetParam());
  const auto likelihood = make_likelihood(options, pictures);
  const auto indices = indices_below(5);
  const auto centre =
      uniform_noise({1, Purpose::kSampling}, indices, 0, {1, 3, 2, 4}, torch::kFloat);
  const auto x = likelihood->sample(centre, {1, Purpose::kSampling}, indices, 1);
  EXPECT_EQ(x.sizes(), likelihood->mean(centre).sizes());
  EXPECT_EQ(likelihood->log_density(x, centre).sizes(), (std::vector<std::int64_t>{5}));
}

TEST_P(Sigma, RefusesWhatIsNone) {
  for (const char* sigma : {"0", "-1", "learnt", "per-pixel", "nan", "inf", "1e999", ""}) {
    EXPECT_THROW(scaled(GetParam(), sigma), ConfigError) << sigma;
  }
}

TEST(Sigma, OptimumWithoutClosedFormIsRefused) {
  try {
    scaled("discretised-logistic", "optimal");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("use 'learned'"));
  }
}

TEST(Sigma, OptionIsDeclared) {
  LikelihoodOptions options;
  OptionTable table;
  declare(table, options);
  for (const char* sigma : {"learned", "per-dimension", "optimal", "0.25"}) {
    table.apply_text("model.sigma", sigma, "command line");
    EXPECT_EQ(options.sigma, sigma);
  }
  for (const char* sigma : {"optimum", "0", "-1"}) {
    EXPECT_THROW(table.apply_text("model.sigma", sigma, "c"), ConfigError) << sigma;
  }
  EXPECT_EQ(table.to_json("model")["sigma"], "0.25");
}

}  // namespace
}  // namespace elbow
