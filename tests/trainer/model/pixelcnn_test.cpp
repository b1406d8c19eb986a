#include "trainer/model/pixelcnn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/pixelcnn_cases.h"
#include "trainer/model/model.h"

namespace elbow {
namespace {

using namespace pixelcnn_cases;

// log p(x) from one evaluation is the sum over variables of what is said of each by those before it
// alone, everything else erased.
TEST(PixelCnn, LogProbabilityIsTheSumOfConditionals) {
  for (const std::string& ordering : ordering_names()) {
    const PixelCnnCase c{{2, 3, 3}, "bernoulli", 2, ordering};
    const auto model = make(c);
    torch::NoGradGuard no_grad;
    const auto x = model->sample(first_indices(4), {}, {}, Show::kDraw);
    const auto rank = torch::tensor(ranks(c)).view({1, 2, 3, 3});
    torch::Tensor sum = torch::zeros({4}, torch::kDouble);
    for (std::int64_t i = 0; i < 18; ++i) {
      const auto erased = x * (rank < i);
      const auto white = torch::sigmoid(model->conditionals(erased, {}).squeeze(1));
      const auto p = torch::where(x == 1, white, 1 - white).log();
      sum += (p * (rank == i)).flatten(1).sum(1);
    }
    EXPECT_TRUE(torch::allclose(log_probability(*model, x), sum, 1e-12, 1e-12)) << ordering;
  }
}

TEST(PixelCnn, OrderingByColumnsIsThatByRowsOfTransposedImages) {
  const auto rows = make({{1, 4, 3}});
  const auto columns = make({{1, 3, 4}, "bernoulli", 2, "columns"});
  torch::NoGradGuard no_grad;
  const auto x = rows->sample(first_indices(20), {}, {}, Show::kDraw);
  EXPECT_TRUE(torch::allclose(log_probability(*rows, x),
                              log_probability(*columns, x.transpose(2, 3)), 1e-12, 1e-12));
  EXPECT_FALSE(torch::allclose(log_probability(*make({{1, 4, 3}, "bernoulli", 2, "columns"}), x),
                               log_probability(*rows, x)));
}

TEST(PixelCnn, ASampleCostsAnEvaluationForEachVariable) {
  const auto model = make({{3, 4, 2}, "categorical", 3});
  model->sample(first_indices(5), {}, {}, Show::kDraw);
  EXPECT_EQ(model->evaluations(), 24);
  log_probability(*model, torch::zeros({6, 3, 4, 2}, torch::kDouble));
  EXPECT_EQ(model->evaluations(), 25);
  EXPECT_EQ(model->sample({}, {}, {}, Show::kDraw).sizes(),
            (std::vector<std::int64_t>{0, 3, 4, 2}));
}

TEST(PixelCnn, MeanIsThatOfEachVariableGivenTheDrawnOnesBeforeIt) {
  for (const std::string& ordering : ordering_names()) {
    const auto model = make({{2, 3, 4}, "bernoulli", 2, ordering});
    const auto indices = first_indices(3);
    const auto x = model->sample(indices, {}, {}, Show::kDraw);
    const auto mean = model->sample(indices, {}, {}, Show::kMean);
    torch::NoGradGuard no_grad;
    const auto expected = torch::sigmoid(model->conditionals(x, {})).squeeze(1);
    EXPECT_TRUE(torch::allclose(mean, expected, 1e-12, 1e-12)) << ordering;
  }
}

TEST(PixelCnn, TermsAndFiguresAreTheLogProbability) {
  const auto model = make({{1, 3, 3}});
  const auto indices = first_indices(7);
  const auto x = model->sample(indices, {}, {}, Show::kDraw);
  const auto terms = model->terms({x, indices}, {}, {});
  EXPECT_TRUE(torch::equal(terms.elbo, terms.objective));
  EXPECT_TRUE(torch::equal(terms.reconstruction, terms.objective));
  EXPECT_FALSE(terms.kl.defined());
  const auto figures = model->evaluate({x, indices}, {}, {});
  ASSERT_EQ(figures.log_likelihood.size(), 7);
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(figures.log_likelihood[i],
              terms.objective[static_cast<std::int64_t>(i)].item<double>());
  }
  EXPECT_THAT(figures.log_likelihood_variance, testing::Each(0.0));
  EXPECT_EQ(figures.log_likelihood_variance.size(), 7);
  EXPECT_TRUE(figures.elbo.empty());
  EXPECT_TRUE(figures.reconstruction.empty());
  EXPECT_TRUE(figures.kl.empty());
  EXPECT_TRUE(figures.effective_sample_size.empty());
  EXPECT_THAT(model->missing_figures_reason(), testing::HasSubstr("exact"));
  for (const auto& parameter : model->parameters()) EXPECT_FALSE(parameter.grad().defined());
}

TEST(PixelCnn, TermsDoNotDependOnHowABatchIsCut) {
  const auto model = make({{1, 4, 5}});
  const auto indices = first_indices(7);
  const auto x = model->sample(indices, {}, {}, Show::kDraw);
  torch::NoGradGuard no_grad;
  const auto parts = torch::cat(
      {log_probability(*model, x.narrow(0, 0, 4)), log_probability(*model, x.narrow(0, 4, 3))});
  EXPECT_TRUE(torch::allclose(log_probability(*model, x), parts, 1e-12, 1e-12));
}

// Whatever the alphabet, the network sees the same numbers for black and for white.
TEST(PixelCnn, ValuesReachTheNetworkOnOneScale) {
  const PixelCnnCase few{{1, 2, 3}, "discretised-logistic", 2};
  const PixelCnnCase many{{1, 2, 3}, "discretised-logistic", 256};
  torch::NoGradGuard no_grad;
  const auto black = torch::zeros({1, 1, 2, 3}, torch::kDouble);
  const auto of_few = make(few)->conditionals(black + largest(few), {});
  EXPECT_TRUE(torch::allclose(of_few, make(many)->conditionals(black + largest(many), {}), 1e-12));
  EXPECT_FALSE(torch::allclose(of_few, make(many)->conditionals(black + largest(few), {}), 1e-3));
  EXPECT_FALSE(torch::allclose(of_few, make(few)->conditionals(black, {}), 1e-3));
}

TEST(PixelCnn, IsConditionedOnC) {
  const PixelCnnCase c{{1, 2, 2}};
  const auto model = make(c, 3, Conditioning::classes({5, 5}));
  torch::NoGradGuard no_grad;
  const auto images = all_images(c);
  std::vector<torch::Tensor> probabilities;
  for (std::int64_t k = 0; k < 2; ++k) {
    const auto given = torch::eye(2, torch::kDouble).narrow(0, k, 1).expand({16, 2});
    probabilities.push_back(log_probability(*model, images, given).exp());
    EXPECT_NEAR(probabilities.back().sum().item<double>(), 1, 1e-6);
    const auto x = model->sample(first_indices(16), given, {}, Show::kDraw);
    const auto cut = model->sample(first_indices(3), given.narrow(0, 0, 3), {}, Show::kDraw);
    EXPECT_TRUE(torch::equal(x.narrow(0, 0, 3), cut));
  }
  EXPECT_FALSE(torch::allclose(probabilities[0], probabilities[1], 1e-2, 1e-2));
  EXPECT_THROW(log_probability(*model, images), Error);

  // So many that they are drawn in parts: each with the conditions of its own samples.
  constexpr std::int64_t kCount = 44000;
  const auto indices = first_indices(kCount);
  const auto classes = (torch::arange(kCount) >= kCount / 2).to(torch::kLong);
  const auto given = torch::eye(2, torch::kDouble).index_select(0, classes);
  const auto all = model->sample(indices, given, {}, Show::kDraw);
  const auto last = std::span<const std::int64_t>(indices).last(50);
  const auto alone = model->sample(last, given.narrow(0, kCount - 50, 50), {}, Show::kDraw);
  EXPECT_TRUE(torch::equal(all.narrow(0, kCount - 50, 50), alone));
  EXPECT_THAT(model->summary(), testing::HasSubstr("2 classes"));
}

TEST(PixelCnn, IsMadeByItsName) {
  const PixelCnnCase c{{1, 4, 4}, "bernoulli", 2, "columns"};
  const auto model = make_model(options_of(c), observation_of(c), 1);
  EXPECT_THAT(model->summary(), testing::HasSubstr("column by column"));
  const auto description = describe(*model);
  std::int64_t parameters = 0;
  for (const auto& layer : description.layers) parameters += layer.parameters;
  EXPECT_EQ(parameters, description.parameters);
  EXPECT_EQ(model_options_from_json(to_json(options_of(c))).ordering, "columns");
}

std::string refusal(const ModelOptions& options, const Observation& observation) {
  try {
    make_pixelcnn(options, observation, {});
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(PixelCnn, RefusesDataWithoutAProbability) {
  const PixelCnnCase binary{{1, 4, 4}};
  ModelOptions options = options_of(binary);
  options.likelihood = "gaussian";
  EXPECT_THAT(refusal(options, Observation({}, {{4, 4}, ValueType::kUint8}, "gaussian")),
              testing::HasSubstr("density"));
  options.likelihood = "bernoulli";
  ObservationOptions raw;
  raw.values = "raw";
  EXPECT_THAT(refusal(options, Observation(raw, {{4, 4}, ValueType::kUint8}, "bernoulli")),
              testing::HasSubstr("binar"));
  EXPECT_THAT(refusal(options, Observation({}, {{16}, ValueType::kUint8}, "bernoulli")),
              testing::HasSubstr("images"));
  options.ordering = "colums";
  EXPECT_THAT(refusal(options, observation_of(binary)), testing::HasSubstr("columns"));
}

TEST(PixelCnn, RefusesWhatIsAboutLatentVariables) {
  const auto model = make({{1, 2, 2}});
  const auto indices = first_indices(2);
  const Shard shard{torch::zeros({2, 1, 2, 2}, torch::kDouble), indices};
  Objective objective;
  objective.kind = Objective::Kind::kIwae;
  EXPECT_THROW(model->require_suitable(objective), ConfigError);
  objective = {};
  objective.kl_weight = 0.5;
  EXPECT_THROW(model->require_suitable(objective), ConfigError);
  objective = {};
  objective.free_bits = 0.1;
  EXPECT_THROW(model->require_suitable(objective), ConfigError);
  EXPECT_THROW(model->reconstruct(shard), ConfigError);
  EXPECT_THROW(model->encode(shard), ConfigError);
  EXPECT_THROW(model->decode(torch::zeros({2, 3}), {}), ConfigError);
  EXPECT_THROW(model->terms({shard.x.narrow(0, 0, 1), indices}, {}, {}), Error);
}

}  // namespace
}  // namespace elbow
