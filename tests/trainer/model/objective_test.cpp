// What a step maximises, beside the ELBO: values against their formulas and against answers that
// follow from a known posterior, gradients against each other in expectation.
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/linear_model.h"
#include "trainer/model/diagonal_gaussian.h"

namespace elbow {
namespace {

constexpr auto kIwae = Objective::Kind::kIwae;
constexpr auto kDreg = Objective::Kind::kDreg;

struct Small {
  std::shared_ptr<Vae> vae = untrained_linear_vae(12, 3);
  std::vector<std::int64_t> indices = {3, 1, 4, 15, 9, 2, 6};
  torch::Tensor x;
};

Small small() {
  Small result;
  result.vae->to(torch::kDouble);
  result.x = normal_noise({1, Purpose::kSampling}, result.indices, 0, {12}, torch::kDouble);
  return result;
}

// log w of each draw, [K, B], from the parts alone.
torch::Tensor log_weights(const Small& s, const RunNoise& noise, std::uint32_t draws) {
  const LatentModel& model = s.vae->model();
  const DiagonalGaussian q(s.vae->encoder().forward(s.x, {}));
  std::vector<torch::Tensor> all;
  for (std::uint32_t draw = 0; draw < draws; ++draw) {
    const auto z =
        q.draw(normal_noise(noise.key(Purpose::kPosterior), s.indices, draw, {3}, torch::kDouble));
    all.push_back(model.likelihood->log_density(s.x, model.decoder->forward(z, {})) +
                  model.prior->log_density(z, {}) - q.log_density(z));
  }
  return torch::stack(all);
}

TEST(Objective, IwaeIsTheLogarithmOfTheMeanWeight) {
  const auto s = small();
  const RunNoise noise{1, 0, 3};
  const auto expected = log_weights(s, noise, 5).exp().mean(0).log();
  for (const auto kind : {kIwae, kDreg}) {
    const auto terms = s.vae->terms({s.x, s.indices}, noise, {5, kind});
    EXPECT_TRUE(torch::allclose(terms.objective, expected, 1e-12));
    EXPECT_TRUE(torch::allclose(terms.elbo, log_weights(s, noise, 5).mean(0), 1e-12));
    EXPECT_TRUE(torch::allclose(terms.reconstruction - terms.kl, terms.elbo, 1e-12));
  }
}

TEST(Objective, IwaeOfOneDrawIsTheElboOfThatDraw) {
  const auto s = small();
  const auto terms = s.vae->terms({s.x, s.indices}, {1, 0, 3}, {1, kIwae});
  EXPECT_TRUE(torch::allclose(terms.objective, terms.elbo, 1e-12));
}

// The gap of IWAE-2 where q = N(m, 2v) over 4 latents, 4 SE.
TEST(Objective, IwaeHasTheKnownGap) {
  constexpr std::int64_t kImages = 40000;
  const auto model = LinearModel::simulated(6, 4, 0.5);
  const auto x = model.sample(kImages, 11);
  const auto indices = first_indices(kImages);
  torch::NoGradGuard no_grad;
  const auto terms = model.vae(2.0)->terms({x, indices}, {}, {2, kIwae});
  const auto gap = model.log_density(x) - terms.objective;
  const double error = gap.std().item<double>() / std::sqrt(kImages);
  std::printf("IWAE-2 gap %.5f +- %.5f, answer .2593\n", gap.mean().item<double>(), error);
  EXPECT_NEAR(gap.mean().item<double>(), 0.2593, 4 * error + 5e-5);
  EXPECT_LT(error, 0.005);
}

// Gradients of many independent draws for one image, by parameter: [draws, entries].
std::map<std::string, torch::Tensor> gradients(Vae& vae, const torch::Tensor& x,
                                               Objective::Kind kind, std::uint32_t repeats) {
  std::map<std::string, std::vector<torch::Tensor>> all;
  const std::vector<std::int64_t> index = {0};
  for (std::uint32_t epoch = 0; epoch < repeats; ++epoch) {
    vae.zero_grad();
    vae.terms({x, index}, {7, 0, epoch}, {4, kind}).objective.sum().backward();
    for (const auto& item : vae.named_parameters()) {
      all[item.key()].push_back(item.value().grad().flatten().clone());
    }
  }
  std::map<std::string, torch::Tensor> stacked;
  for (auto& [name, list] : all) stacked[name] = torch::stack(list);
  return stacked;
}

// In expectation the doubly reparameterised gradient is IWAE's. The same draws serve both, so that
// the differences' own standard error decides, 5 SE for the largest of some 60 entries.
TEST(Objective, DregIsTheIwaeGradientInExpectation) {
  const auto model = LinearModel::simulated(4, 2, 0.5);
  const auto vae = model.vae(2.0);
  const auto x = model.sample(1, 11);
  constexpr std::uint32_t kRepeats = 1000;
  const auto plain = gradients(*vae, x, kIwae, kRepeats);
  const auto dreg = gradients(*vae, x, kDreg, kRepeats);
  for (const auto& [name, values] : plain) {
    const auto difference = dreg.at(name) - values;
    const auto error = difference.std(0) / std::sqrt(kRepeats);
    EXPECT_TRUE(((difference.mean(0).abs() - 5 * error) <= 1e-9).all().item<bool>()) << name;
    if (name.starts_with("encoder")) {
      EXPECT_GT(difference.abs().max().item<double>(), 1e-3) << name << ": not the same estimator";
    }
  }
}

// Where q is the posterior every weight is equal and the encoder has nothing to learn: DReG says so
// on every draw, IWAE's own gradient only on average.
TEST(Objective, DregVanishesForTheEncoderAtTheExactPosterior) {
  const auto model = LinearModel::simulated(4, 2, 0.5);
  const auto vae = model.vae();
  const auto x = model.sample(1, 11);
  const auto dreg = gradients(*vae, x, kDreg, 20);
  const auto plain = gradients(*vae, x, kIwae, 20);
  for (const std::string name : {"encoder.0.weight", "encoder.0.bias"}) {
    EXPECT_LT(dreg.at(name).abs().max().item<double>(), 1e-10) << name;
    EXPECT_GT(plain.at(name).abs().max().item<double>(), 1e-3) << name;
  }
}

TEST(Objective, BetaWeighsTheKlAndTheElboIsReportedBesideIt) {
  const auto s = small();
  Objective objective;
  objective.kl_weight = 0.25;
  const auto terms = s.vae->terms({s.x, s.indices}, {}, objective);
  const auto plain = s.vae->terms({s.x, s.indices}, {}, {1});
  EXPECT_TRUE(torch::allclose(terms.objective, plain.reconstruction - 0.25 * plain.kl, 1e-12));
  EXPECT_TRUE(torch::equal(terms.elbo, plain.elbo));
}

TEST(Objective, FreeBitsPayForNoLatentBelowThem) {
  const auto s = small();
  Objective objective;
  objective.free_bits = 0.1;
  ASSERT_EQ(s.vae->statistics(objective), 3);
  const auto kl = s.vae->batch_statistics({s.x, s.indices}, objective);
  ASSERT_EQ(kl.sizes(), (std::vector<std::int64_t>{7, 3}));
  const auto mean = kl.mean(0);
  objective.free_bits =
      std::get<0>(mean.sort())[1].item<double>() * 1.001;  // two latents are below
  objective.mean_kl = mean;
  const auto terms = s.vae->terms({s.x, s.indices}, {}, objective);
  // Over the batch: sum_d max(free bits, mean KL_d).
  const double counted = mean.clamp_min(objective.free_bits).sum().item<double>();
  EXPECT_NEAR((terms.reconstruction - terms.objective).mean().item<double>(), counted, 1e-12);

  (terms.reconstruction - terms.objective).sum().backward();
  const auto gradient = s.vae->named_parameters()["encoder.0.bias"].grad();
  const auto paying = mean > objective.free_bits;
  for (std::int64_t latent = 0; latent < 3; ++latent) {
    EXPECT_EQ(gradient[latent].item<double>() != 0, paying[latent].item<bool>()) << latent;
  }
  objective.mean_kl = torch::Tensor();
  EXPECT_THROW(s.vae->terms({s.x, s.indices}, {}, objective), Error);
}

TEST(Objective, RelaxedDrawsHaveNoImportanceWeights) {
  ModelOptions options;
  options.prior = "categorical";
  options.categories = {5};
  options.widths = {};
  const auto model = make_model(options, raw_vectors(12), 1);
  const auto indices = first_indices(2);
  const Shard shard{torch::ones({2, 12}), indices};
  EXPECT_THROW(model->require_suitable({2, kIwae}), ConfigError);
  EXPECT_THROW(model->require_suitable({2, kDreg}), ConfigError);
  EXPECT_NO_THROW(model->terms(shard, {}, {2}));
}

}  // namespace
}  // namespace elbow
