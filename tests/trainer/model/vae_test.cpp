#include "trainer/model/vae.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "base/error.h"
#include "tests/trainer/model/linear_model.h"
#include "trainer/model/diagonal_gaussian.h"

namespace elbow {
namespace {

struct SmallVae {
  ModelOptions options;
  Observation observation = raw_vectors(12);
  std::shared_ptr<Vae> vae;
  torch::Tensor x;
  std::vector<std::int64_t> indices = {3, 1, 4, 15, 9, 2, 6};
};

SmallVae small_vae() {
  SmallVae result;
  result.options.latent = 3;
  result.options.widths = {10};
  result.vae = std::dynamic_pointer_cast<Vae>(make_model(result.options, result.observation, 5));
  result.vae->to(torch::kDouble);
  result.x = normal_noise({1, Purpose::kSampling}, result.indices, 0, {12}, torch::kDouble);
  return result;
}

TEST(Vae, TermsAreTheirFormulas) {
  const auto s = small_vae();
  const RunNoise noise{1, 0, 3};
  const auto terms = s.vae->terms({s.x, s.indices}, noise, {2});
  const LatentModel& parts = s.vae->model();
  const auto output = s.vae->encoder().forward(s.x, {});
  const auto mean = output.narrow(1, 0, 3);
  const auto log_variance = output.narrow(1, 3, 3);
  torch::Tensor reconstruction = torch::zeros({7}, torch::kDouble);
  for (std::uint32_t draw = 0; draw < 2; ++draw) {
    const auto eps =
        normal_noise(noise.key(Purpose::kPosterior), s.indices, draw, {3}, torch::kDouble);
    const auto z = mean + (0.5 * log_variance).exp() * eps;
    reconstruction += 0.5 * parts.likelihood->log_density(s.x, parts.decoder->forward(z, {}));
  }
  const auto kl = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1);
  EXPECT_TRUE(torch::allclose(terms.reconstruction, reconstruction, 1e-12));
  EXPECT_TRUE(torch::allclose(terms.kl, kl, 1e-12));
  EXPECT_TRUE(torch::allclose(terms.elbo, reconstruction - kl, 1e-12));
  EXPECT_TRUE(torch::equal(terms.objective, terms.elbo));
}

// Central differences of the objective by each of the first entries of every parameter.
TEST(Vae, GradientMatchesFiniteDifferences) {
  auto s = small_vae();
  const auto objective = [&] { return s.vae->terms({s.x, s.indices}, {}, {2}).objective.sum(); };
  objective().backward();
  for (auto& item : s.vae->named_parameters()) {
    auto entries = item.value().detach().view(-1);
    const double gradient = item.value().grad().view(-1)[0].item<double>();
    constexpr double kStep = 1e-6;
    torch::NoGradGuard no_grad;
    entries[0] += kStep;
    const double above = objective().item<double>();
    entries[0] -= 2 * kStep;
    const double below = objective().item<double>();
    entries[0] += kStep;
    EXPECT_NEAR((above - below) / (2 * kStep), gradient, 1e-6 * std::max(1.0, std::abs(gradient)))
        << item.key();
  }
}

TEST(Vae, TermsDoNotDependOnHowABatchIsCut) {
  const auto s = small_vae();
  const RunNoise noise{1, 0, 3};
  const auto whole = s.vae->terms({s.x, s.indices}, noise, {2}).objective;
  const std::span<const std::int64_t> all(s.indices);
  const auto first = s.vae->terms({s.x.narrow(0, 0, 4), all.subspan(0, 4)}, noise, {2}).objective;
  const auto second = s.vae->terms({s.x.narrow(0, 4, 3), all.subspan(4)}, noise, {2}).objective;
  EXPECT_TRUE(torch::allclose(whole, torch::cat({first, second}), 1e-12, 1e-12));
}

TEST(Vae, EvaluationDoesNotDependOnItsBlocks) {
  const auto s = small_vae();
  const auto noise = evaluation_noise();
  const auto whole = s.vae->evaluate({s.x, s.indices}, {20}, noise);
  const std::span<const std::int64_t> all(s.indices);
  const auto part = s.vae->evaluate({s.x.narrow(0, 2, 3), all.subspan(2, 3)}, {20}, noise);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(part.elbo[i], whole.elbo[i + 2], 1e-10);
    EXPECT_NEAR(part.log_likelihood[i], whole.log_likelihood[i + 2], 1e-10);
    EXPECT_NEAR(part.effective_sample_size[i], whole.effective_sample_size[i + 2], 1e-9);
  }
}

// The formulas over all draws at once, against the streamed ones.
TEST(Vae, EvaluationStreamsItsDraws) {
  constexpr std::int64_t kSamples = 300;
  const auto s = small_vae();
  const LatentModel& parts = s.vae->model();
  torch::NoGradGuard no_grad;
  const auto output = s.vae->encoder().forward(s.x, {});
  const DiagonalGaussian q(output);
  std::vector<torch::Tensor> all;
  for (std::uint32_t draw = 0; draw < kSamples; ++draw) {
    const auto z = q.draw(q.noise(evaluation_noise().key(Purpose::kEvaluation), s.indices, draw));
    all.push_back(parts.likelihood->log_density(s.x, parts.decoder->forward(z, {})) +
                  parts.prior->log_density(z, {}) - q.log_density(z));
  }
  const auto log_weights = torch::stack(all);
  const auto estimate = torch::logsumexp(log_weights, 0) - std::log(kSamples);
  const auto shares = torch::softmax(log_weights, 0);
  const auto ess = 1 / shares.square().sum(0);
  const auto figures = s.vae->evaluate({s.x, s.indices}, {kSamples}, evaluation_noise());
  const auto kl = q.kl_to_standard_normal().sum(1);
  for (std::size_t i = 0; i < s.indices.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    EXPECT_NEAR(figures.log_likelihood[i], estimate[row].item<double>(), 1e-10);
    EXPECT_NEAR(figures.effective_sample_size[i], ess[row].item<double>(), 1e-8);
    EXPECT_NEAR(figures.log_likelihood_variance[i], 1 / ess[row].item<double>() - 1.0 / kSamples,
                1e-12);
    EXPECT_NEAR(figures.elbo[i], log_weights.mean(0)[row].item<double>(), 1e-10);
    EXPECT_NEAR(figures.kl[i], kl[row].item<double>(), 1e-12);
    EXPECT_NEAR(figures.reconstruction[i] - figures.kl[i], figures.elbo[i], 1e-12);
    EXPECT_GE(figures.log_likelihood[i], figures.elbo[i]);
  }
}

// Mean log p(x | z) and reconstruction are two estimates of one number.
TEST(Vae, ReconstructionIsTheMeanLogLikelihoodOfDraws) {
  constexpr std::int64_t kDraws = 20000;
  const auto s = small_vae();
  torch::NoGradGuard no_grad;
  const auto indices = first_indices(kDraws);
  const Shard one{s.x.narrow(0, 0, 1).expand({kDraws, 12}), indices};
  const auto direct = s.vae->terms(one, evaluation_noise(), {1}).reconstruction;
  const auto figures = s.vae->evaluate(one, {1}, evaluation_noise(2));
  const auto other = torch::tensor(figures.reconstruction, torch::kDouble);
  const double error = std::sqrt((direct.var() + other.var()).item<double>() / kDraws);
  EXPECT_NEAR(direct.mean().item<double>(), other.mean().item<double>(), 4 * error);
}

TEST(Vae, MemoryDoesNotGrowWithTheNumberOfDraws) {
  const auto s = small_vae();
  const auto indices = first_indices(200);
  const auto x = normal_noise({1, Purpose::kSampling}, indices, 0, {12}, torch::kDouble);
  s.vae->evaluate({x, indices}, {2}, evaluation_noise());
  const auto before = mallinfo2();
  s.vae->evaluate({x, indices}, {2000}, evaluation_noise());
  const auto after = mallinfo2();
  // Keeping one double a draw and image would take 3 MB.
  const double growth = static_cast<double>(after.arena + after.hblkhd) -
                        static_cast<double>(before.arena + before.hblkhd);
  EXPECT_LT(growth, 1e6);
}

TEST(Vae, EvaluationRecordsNoGradient) {
  const auto s = small_vae();
  s.vae->evaluate({s.x, s.indices}, {2}, evaluation_noise());
  for (const auto& parameter : s.vae->parameters()) EXPECT_FALSE(parameter.grad().defined());
}

// log p(v) = log p(x) + log |dx/dv|, for every figure that is a log-density of x.
TEST(Vae, StandardisedDataAreReportedInTheFilesUnits) {
  VariableStatistics statistics{{10, -3}, {2, 0.5}, 100};
  const Observation standardised({}, {{2}, ValueType::kFloat32}, "gaussian", statistics);
  ModelOptions options;
  options.widths = {};
  const auto plain = make_model(options, raw_vectors(2), 1);
  const auto scaled = make_model(options, standardised, 1);
  const std::vector<std::int64_t> indices = {0};
  const auto x = torch::tensor({{0.5F, -0.5F}});
  const auto a = plain->evaluate({x, indices}, {5}, evaluation_noise());
  const auto b = scaled->evaluate({x, indices}, {5}, evaluation_noise());
  const double jacobian = -std::log(2.0) - std::log(0.5);
  EXPECT_NEAR(standardised.log_jacobian(), jacobian, 1e-12);
  EXPECT_NEAR(b.log_likelihood[0], a.log_likelihood[0] + jacobian, 1e-5);
  EXPECT_NEAR(b.elbo[0], a.elbo[0] + jacobian, 1e-5);
  EXPECT_NEAR(b.reconstruction[0], a.reconstruction[0] + jacobian, 1e-5);
  EXPECT_NEAR(b.kl[0], a.kl[0], 1e-9);
  const auto terms = scaled->terms({x, indices}, {}, {1});
  const auto without = plain->terms({x, indices}, {}, {1});
  EXPECT_NEAR((terms.elbo - without.elbo).item<double>(), jacobian, 1e-4);
}

TEST(Vae, SamplesAndReconstructionsHaveTheShapeOfTheData) {
  ModelOptions options;
  options.likelihood = "bernoulli";
  options.network = "convolutional";
  options.widths = {4, 4};
  const Observation observation({}, {{9, 11, 3}, ValueType::kUint8}, "bernoulli");
  const auto model = make_model(options, observation, 1);
  const std::vector<std::int64_t> indices = {0, 1, 2, 3};
  const std::vector<std::int64_t> shape = {4, 3, 9, 11};
  const auto draw = model->sample(indices, {}, {}, Show::kDraw);
  EXPECT_EQ(draw.sizes(), shape);
  EXPECT_TRUE(((draw == 0) | (draw == 1)).all().item<bool>());
  const auto mean = model->sample(indices, {}, {}, Show::kMean);
  EXPECT_TRUE(((mean > 0) & (mean < 1)).all().item<bool>());
  EXPECT_EQ(model->reconstruct({draw, indices}).sizes(), shape);
  const std::vector<std::int64_t> last = {3};
  EXPECT_TRUE(torch::equal(model->sample(last, {}, {}, Show::kDraw)[0], draw[3]));
}

TEST(Vae, RefusesAShardThatDoesNotMatchItsIndices) {
  const auto s = small_vae();
  EXPECT_THROW(s.vae->terms({s.x.narrow(0, 0, 2), s.indices}, {}, {1}), Error);
  EXPECT_THROW(s.vae->terms({s.x, s.indices}, {}, {0}), Error);
  EXPECT_THROW(s.vae->evaluate({s.x, s.indices}, {0}, evaluation_noise()), Error);
}

}  // namespace
}  // namespace elbow
