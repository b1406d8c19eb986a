// What holds for every prior that is registered.
#include "trainer/model/prior.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/prior_checks.h"
#include "trainer/model/options.h"

namespace elbow {
namespace {

struct Model {
  std::shared_ptr<Network> encoder;
  std::shared_ptr<Prior> prior;
  torch::Tensor c;  // [6, 2], or undefined
};

constexpr std::int64_t kRows = 6;

Model model_of(const std::string& name) {
  ModelOptions options;
  options.prior = name;
  options.latent = 3;
  options.categories = {3, 30};
  options.components = 4;
  options.factors = {"uniform 2", "categorical 5"};
  options.widths = {};
  const bool conditional = name == "conditional";
  Model model;
  model.prior = make_prior(options, {conditional ? 2 : 0, {7}});
  model.encoder = make_encoder(options, {7}, model.prior->posterior_parameters());
  model.prior->set_encoder(model.encoder);
  if (conditional) model.c = torch::eye(2).repeat({kRows / 2, 1});
  return model;
}

class EveryPrior : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Registered, EveryPrior, testing::ValuesIn(prior_names()),
                         [](const auto& info) { return info.param; });

TEST_P(EveryPrior, SamplesAndPosteriorsFitItsDensity) {
  const auto model = model_of(GetParam());
  const std::int64_t latent = model.prior->latent();
  const auto indices = indices_up_to(kRows);
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    const auto z = model.prior->sample({1, Purpose::kSampling}, indices, 0, model.c, type);
    EXPECT_EQ(z.sizes(), (std::vector<std::int64_t>{kRows, latent}));
    EXPECT_EQ(z.scalar_type(), type);
    const auto log_p = model.prior->log_density(z, model.c);
    EXPECT_EQ(log_p.sizes(), (std::vector<std::int64_t>{kRows}));
    EXPECT_EQ(log_p.scalar_type(), type);
    EXPECT_TRUE(log_p.isfinite().all().item<bool>());

    const auto output = normal_noise({2, Purpose::kPosterior}, indices, 0,
                                     {model.prior->posterior_parameters()}, type);
    const auto q = model.prior->posterior(output);
    const auto noise = q->noise({1, Purpose::kPosterior}, indices, 0);
    EXPECT_EQ(noise.sizes(), z.sizes());
    for (const auto& drawn : {q->draw(noise), q->exact_draw(noise), q->mean(), q->deviation()}) {
      EXPECT_EQ(drawn.sizes(), z.sizes());
      EXPECT_EQ(drawn.scalar_type(), type);
    }
    const auto drawn = q->exact_draw(noise);
    EXPECT_TRUE(q->log_density(drawn).isfinite().all().item<bool>());
    EXPECT_TRUE(model.prior->log_density(drawn, model.c).isfinite().all().item<bool>());
    const auto kl = model.prior->kl_by_latent(*q, model.c);
    if (kl) {
      EXPECT_EQ(kl->size(0), kRows);
      EXPECT_TRUE(kl->ge(0).all().item<bool>());
    }
  }
}

// Row b belongs to (indices[b], draw) alone.
TEST_P(EveryPrior, SamplesAndNoiseAreKeyed) {
  const auto model = model_of(GetParam());
  const NoiseKey key{1, Purpose::kSampling};
  const std::vector<std::int64_t> all = {0, 1, 2, 3, 4, 5};
  const std::vector<std::int64_t> some = {3, 1};
  const auto c = model.c.defined() ? model.c.index_select(0, torch::tensor(some)) : model.c;
  const auto whole = model.prior->sample(key, all, 2, model.c, torch::kFloat);
  const auto part = model.prior->sample(key, some, 2, c, torch::kFloat);
  EXPECT_TRUE(torch::allclose(part, whole.index_select(0, torch::tensor(some))));
  EXPECT_FALSE(torch::equal(whole, model.prior->sample(key, all, 3, model.c, torch::kFloat)));
  const std::int64_t outputs = model.prior->posterior_parameters();
  const auto q = model.prior->posterior(torch::zeros({6, outputs}));
  const auto q_part = model.prior->posterior(torch::zeros({2, outputs}));
  EXPECT_TRUE(torch::equal(q_part->noise(key, some, 2),
                           q->noise(key, all, 2).index_select(0, torch::tensor(some))));
  EXPECT_FALSE(torch::equal(q->noise(key, all, 2), q->noise(key, all, 3)));
}

TEST_P(EveryPrior, GradientReachesTheWholeEncoderOutput) {
  const auto model = model_of(GetParam());
  const auto indices = indices_up_to(kRows);
  auto output = normal_noise({2, Purpose::kPosterior}, indices, 0,
                             {model.prior->posterior_parameters()}, torch::kFloat)
                    .set_requires_grad(true);
  const auto q = model.prior->posterior(output);
  const auto z = q->draw(q->noise({1, Purpose::kPosterior}, indices, 0));
  (z.square().sum() + model.prior->log_density(z, model.c).sum()).backward();
  EXPECT_TRUE(output.grad().isfinite().all().item<bool>());
  EXPECT_TRUE(output.grad().abs().sum(0).gt(0).all().item<bool>());
  const auto constant = q->detached();
  EXPECT_FALSE(constant->mean().requires_grad());
  EXPECT_FALSE(constant->deviation().requires_grad());
}

TEST(Priors, OptionsSurviveModelJson) {
  ModelOptions options;
  options.prior = "product";
  options.categories = {7, 2};
  options.temperature = 0.3;
  options.components = 12;
  options.factors = {"categorical 183", "uniform 2"};
  const auto read = model_options_from_json(to_json(options));
  EXPECT_EQ(read.prior, "product");
  EXPECT_EQ(read.categories, options.categories);
  EXPECT_EQ(read.temperature, options.temperature);
  EXPECT_EQ(read.components, options.components);
  EXPECT_EQ(read.factors, options.factors);
}

TEST(Priors, ImpossibleOptionsAreRefused) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"prior", "unifrom"}, {"categories", "[1]"}, {"categories", "[many]"},
      {"temperature", "0"}, {"temperature", "-1"}, {"temperature", "warm"},
      {"components", "0"},  {"components", "2.5"},
  };
  for (const auto& [name, value] : bad) {
    ModelOptions options;
    OptionTable table;
    declare(table, options);
    EXPECT_THROW(table.apply_text("model." + name, value, "test"), ConfigError) << name << value;
  }
}

}  // namespace
}  // namespace elbow
