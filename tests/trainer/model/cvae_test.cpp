// A conditional model whose answers are known: two classes, x | c = b_c + W z + noise, so that
// p(x | c) is Gaussian and p(c | x) follows from Bayes' rule.
#include "trainer/model/cvae.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/linear_model.h"

namespace elbow {
namespace {

const std::vector<std::int64_t> kCounts = {30, 70};

struct TwoClasses {
  LinearModel first = LinearModel::simulated(5, 2, 0.5);
  LinearModel second = shifted(first);
  std::shared_ptr<Procedure> model;

  static LinearModel shifted(LinearModel model) {
    model.bias_D = model.bias_D + 0.6;
    return model;
  }

  // q is the posterior, its variance times `widening`.
  explicit TwoClasses(double widening) {
    torch::NoGradGuard no_grad;
    ModelOptions options;
    options.kind = "cvae";
    options.latent = 2;
    options.widths = {};
    model = make_model(options, raw_vectors(5), 1, Conditioning::classes(kCounts));
    model->to(torch::kDouble);
    const auto v = first.weights_DK.t() / first.m_diagonal().unsqueeze(1);
    const auto biases = torch::stack({first.bias_D, second.bias_D}, 1);  // [D, C]
    const auto variance = first.sigma * first.sigma / first.m_diagonal() * widening;
    auto parameters = model->named_parameters();
    parameters["encoder.0.weight"].copy_(
        torch::cat({torch::cat({v, -v.mm(biases)}, 1), torch::zeros({2, 7}, torch::kDouble)}));
    parameters["encoder.0.bias"].copy_(torch::cat({torch::zeros_like(variance), variance.log()}));
    parameters["decoder.0.weight"].copy_(torch::cat({first.weights_DK, biases}, 1));
    parameters["decoder.0.bias"].zero_();
    const auto& vae = dynamic_cast<const Vae&>(*model);
    std::dynamic_pointer_cast<GaussianLikelihood>(vae.model().likelihood)->set_sigma(first.sigma);
  }

  // log p(x, c), [N, 2].
  torch::Tensor log_joint(const torch::Tensor& x) const {
    const auto log_c = torch::tensor({0.3, 0.7}, torch::kDouble).log();
    return torch::stack({first.log_density(x), second.log_density(x)}, 1) + log_c;
  }
};

double largest_difference(const std::vector<double>& values, const torch::Tensor& exact) {
  return (torch::tensor(values, torch::kDouble) - exact).abs().max().item<double>();
}

TEST(Cvae, ExactPosteriorGivesBayesRule) {
  const TwoClasses two(1.0);
  const auto x = torch::cat({two.first.sample(30, 3), two.second.sample(30, 4)});
  const auto indices = first_indices(60);
  Shard shard{x, indices};
  shard.c = torch::zeros({60, 2}, torch::kDouble);
  shard.c.narrow(0, 0, 30).select(1, 0).fill_(1);
  shard.c.narrow(0, 30, 30).select(1, 1).fill_(1);
  const auto figures = two.model->evaluate(shard, {3, true}, evaluation_noise());
  const auto joint = two.log_joint(x);
  const auto label =
      torch::cat({torch::zeros({30}, torch::kLong), torch::ones({30}, torch::kLong)});
  const auto true_joint = joint.gather(1, label.unsqueeze(1)).squeeze(1);
  const auto marginal = joint.logsumexp(1);
  const auto log_c = torch::tensor({0.3, 0.7}, torch::kDouble).log().index_select(0, label);
  EXPECT_LT(largest_difference(figures.log_likelihood, true_joint - log_c), 1e-9);
  EXPECT_LT(largest_difference(figures.elbo, true_joint - log_c), 1e-9);
  ASSERT_EQ(figures.own.size(), 4U);
  EXPECT_LT(largest_difference(figures.own[0], true_joint), 1e-9);
  EXPECT_LT(largest_difference(figures.own[1], marginal), 1e-9);
  EXPECT_LT(largest_difference(figures.own[2], true_joint - marginal), 1e-9);
  EXPECT_EQ(largest_difference(figures.own[3], (joint.argmax(1) == label).to(torch::kDouble)), 0);
}

// With q = N(m, 2v) the same at K = 1,000, to .01 of a probability.
TEST(Cvae, ClassProbabilitiesOfAWidenedProposal) {
  const TwoClasses two(2.0);
  const auto x = two.first.sample(40, 3);
  const auto indices = first_indices(40);
  Shard shard{x, indices};
  shard.c = torch::zeros({40, 2}, torch::kDouble);
  shard.c.select(1, 0).fill_(1);
  const auto figures = two.model->evaluate(shard, {1000, true}, evaluation_noise());
  const auto joint = two.log_joint(x);
  const auto exact = (joint.select(1, 0) - joint.logsumexp(1)).exp();
  const auto estimate = torch::tensor(figures.own[2], torch::kDouble).exp();
  const double largest = (estimate - exact).abs().max().item<double>();
  std::printf("p(c | x) off by at most %.4f over 40 images\n", largest);
  EXPECT_LT(largest, 0.01);
  EXPECT_GT((exact * (1 - exact)).max().item<double>(), 0.1);  // some images are undecided
}

TEST(Cvae, FiguresOfItsOwnAreThoseOfClasses) {
  const TwoClasses two(1.0);
  EXPECT_EQ(two.model->own_figures({1, false}).size(), 1U);
  EXPECT_EQ(two.model->own_figures({1, true}).size(), 4U);
  ModelOptions options;
  options.kind = "cvae";
  const auto given_values = make_model(options, raw_vectors(5), 1, Conditioning::values({0}, {1}));
  EXPECT_TRUE(given_values->own_figures({1, true}).empty());
  EXPECT_THAT(given_values->summary(), testing::HasSubstr("1 value"));
}

TEST(Cvae, NeedsACondition) {
  ModelOptions options;
  options.kind = "cvae";
  EXPECT_THROW(make_model(options, raw_vectors(5), 1), ConfigError);
  EXPECT_EQ(resolved_condition(options), "classes");
  options.condition = "none";
  EXPECT_THROW(resolved_condition(options), ConfigError);
  options.condition = "values";
  EXPECT_EQ(resolved_condition(options), "values");
  options.kind = "vae";
  EXPECT_THROW(resolved_condition(options), ConfigError);
}

}  // namespace
}  // namespace elbow
