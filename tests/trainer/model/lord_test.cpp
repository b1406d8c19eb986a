// LORD on a model whose answers are known: x | class = W z + U e_class + b + noise with orthogonal
// W and U, so that the posterior of z is an isotropic Gaussian that no class moves.
#include "trainer/model/lord.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/linear_model.h"

namespace elbow {
namespace {

constexpr std::int64_t kVariables = 6;
constexpr double kLength = 1.5;  // of the columns of W
constexpr double kSigma = 0.4;
constexpr double kDistillation = 4;

ModelOptions lord_options() {
  ModelOptions options;
  options.kind = "lord";
  options.latent = 2;
  options.class_code = 2;
  options.widths = {};
  options.noise = kSigma / std::sqrt(kLength * kLength + kSigma * kSigma);
  options.distillation = kDistillation;
  return options;
}

struct KnownLord {
  torch::Tensor weights = LinearModel::simulated(kVariables, 4, 1).weights_DK;
  torch::Tensor unit = weights / weights.norm(2, 0, true);  // four orthonormal columns
  torch::Tensor w = kLength * unit.narrow(1, 0, 2);
  torch::Tensor u = unit.narrow(1, 2, 2);
  torch::Tensor bias = torch::linspace(-1, 1, kVariables, torch::kDouble);
  torch::Tensor embeddings = torch::tensor({{1.0, 0.5}, {-2.0, 0.3}, {0.0, 3.0}}, torch::kDouble);
  std::shared_ptr<Lord> model;

  // The content encoder gives the posterior's mean, the class encoder U'(x - b).
  KnownLord() {
    const torch::NoGradGuard no_grad;
    model = std::dynamic_pointer_cast<Lord>(
        make_model(lord_options(), raw_vectors(kVariables), 1, Conditioning::classes({3, 4, 5})));
    model->to(torch::kDouble);
    auto parameters = model->named_parameters();
    set_linear("content_encoder", w.t() / (kLength * kLength + kSigma * kSigma));
    set_linear("class_encoder", u.t());
    parameters["classes.weight"].mul_(0);
    parameters["decoder.0.weight"].copy_(torch::cat({w, u}, 1));
    parameters["decoder.0.bias"].copy_(bias);
    std::dynamic_pointer_cast<GaussianLikelihood>(model->model().likelihood)->set_sigma(kSigma);
    // The scale of embeddings is the model's own affair.
    parameters["classes.weight"].fill_(1);
    const double scale = model->embedding(one_class(0))[0][0].item<double>();
    parameters["classes.weight"].copy_(embeddings / scale);
  }

  void set_linear(const std::string& name, const torch::Tensor& matrix) const {
    auto parameters = model->named_parameters();
    parameters[name + ".0.weight"].copy_(matrix);
    parameters[name + ".0.bias"].copy_(-matrix.mv(bias));
  }

  static torch::Tensor one_class(std::int64_t k) {
    auto c = torch::zeros({1, 3}, torch::kDouble);
    c[0][k] = 1;
    return c;
  }

  LinearModel given(std::int64_t k) const { return {w, bias + u.mv(embeddings[k]), kSigma}; }
};

TEST(Lord, DistilledEncoderThatIsThePosteriorGivesTheExactLikelihood) {
  const KnownLord known;
  known.model->begin_stage(1);
  const auto indices = first_indices(8);
  for (std::int64_t k = 0; k < 3; ++k) {
    const auto x = known.given(k).sample(8, 20 + static_cast<std::uint64_t>(k));
    const Shard shard{x, indices, KnownLord::one_class(k).expand({8, 3})};
    const auto figures = known.model->evaluate(shard, {3}, evaluation_noise());
    const auto exact = known.given(k).log_density(x);
    for (std::int64_t i = 0; i < 8; ++i) {
      const auto row = static_cast<std::size_t>(i);
      EXPECT_NEAR(figures.elbo[row], exact[i].item<double>(), 1e-9);
      EXPECT_NEAR(figures.log_likelihood[row], exact[i].item<double>(), 1e-9);
    }
  }
}

TEST(Lord, RowsAtThePosteriorsMeanGiveTheExactLikelihoodInStage1) {
  const KnownLord known;
  const auto indices = first_indices(4);
  const auto x = known.given(1).sample(4, 3);
  const auto mean = (x - known.given(1).bias_D).mm(known.w) / (kLength * kLength + kSigma * kSigma);
  const Shard shard{x, indices, KnownLord::one_class(1).expand({4, 3}), mean};
  const auto figures = known.model->evaluate(shard, {2}, evaluation_noise());
  const auto exact = known.given(1).log_density(x);
  for (std::int64_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(figures.elbo[static_cast<std::size_t>(i)], exact[i].item<double>(), 1e-9);
  }
  // The mean over many draws of what is maximised in training is that bound.
  Objective objective;
  objective.draws = 4000;
  const auto terms = known.model->terms(shard, {7}, objective);
  EXPECT_TRUE(torch::allclose(terms.objective.mean(), exact.mean(), 0, 0.05));
}

// The decoder is linear, so contents and classes of different samples add up.
TEST(Lord, SwapsContentAndClassBetweenSamples) {
  const KnownLord known;
  const torch::NoGradGuard no_grad;
  known.set_linear("content_encoder", known.w.t() / (kLength * kLength));  // without shrinkage
  known.model->begin_stage(1);
  const auto z = torch::tensor({{0.7, -1.2}, {0.1, 2.0}}, torch::kDouble);
  const auto e = known.embeddings.narrow(0, 0, 2);
  const auto x = z.mm(known.w.t()) + e.mm(known.u.t()) + known.bias;
  const auto indices = first_indices(2);
  const Shard shard{x, indices};  // no labels are needed
  ASSERT_TRUE(known.model->condition_from_x());
  const auto swapped =
      known.model->decode(known.model->encode(shard).mean, known.model->condition(shard).flip(0));
  const auto expected = z.mm(known.w.t()) + e.flip(0).mm(known.u.t()) + known.bias;
  EXPECT_TRUE(torch::allclose(swapped, expected, 0, 1e-9));
}

TEST(Lord, CodesApartFromThoseOfStage1AreWeighed) {
  const KnownLord known;
  const auto indices = first_indices(1);
  const auto x = known.given(2).bias_D.unsqueeze(0);  // whose class is read exactly
  const auto content = torch::zeros({1, 2}, torch::kDouble);
  known.model->begin_stage(1);
  const auto apart = [&](const torch::Tensor& rows) {
    const auto terms =
        known.model->terms({x, indices, KnownLord::one_class(2), rows}, {7}, Objective());
    EXPECT_FALSE(terms.elbo.defined());
    return (terms.reconstruction - terms.objective).item<double>();
  };
  EXPECT_NEAR(apart(content), 0, 1e-12);
  EXPECT_NEAR(apart(content + torch::tensor({{3.0, 4.0}})), kDistillation * 25 / 2, 1e-9);
}

TEST(Lord, OneStageLearnsWhatTheOtherLeavesAlone) {
  const KnownLord known;
  for (const std::int64_t stage : {0, 1, 0}) {
    known.model->begin_stage(stage);
    for (const auto& parameter : known.model->named_parameters()) {
      if (parameter.key() == "classes.distilled") continue;
      const bool of_encoders = parameter.key().find("encoder") != std::string::npos;
      EXPECT_EQ(parameter.value().requires_grad(), of_encoders == (stage == 1)) << parameter.key();
    }
    EXPECT_EQ(known.model->condition_from_x(), stage == 1);
  }
}

TEST(Lord, RefusesWhatDoesNotGoWithIt) {
  const auto refusal = [](ModelOptions options, const Conditioning& conditioning) {
    return [=] { make_model(options, raw_vectors(kVariables), 1, conditioning); };
  };
  const auto classes = Conditioning::classes({1, 1});
  ModelOptions options = lord_options();
  options.prior = "uniform";
  EXPECT_THAT(refusal(options, classes),
              testing::ThrowsMessage<ConfigError>(testing::HasSubstr("model.prior")));
  EXPECT_THAT(refusal(lord_options(), Conditioning::values({0}, {1})),
              testing::ThrowsMessage<ConfigError>(testing::HasSubstr("data.labels")));
  Objective objective;
  objective.free_bits = 0.1;
  EXPECT_THROW(KnownLord().model->require_suitable(objective), ConfigError);
  objective = {};
  objective.kind = Objective::Kind::kDreg;
  EXPECT_THROW(KnownLord().model->require_suitable(objective), ConfigError);
}

}  // namespace
}  // namespace elbow
