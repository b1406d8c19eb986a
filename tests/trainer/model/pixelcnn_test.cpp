#include "trainer/model/pixelcnn.h"

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/optim/adam.h>

#include "base/error.h"
#include "trainer/model/initialisation.h"
#include "trainer/model/keyed_noise.h"
#include "trainer/model/model.h"

namespace elbow {
namespace {

// Of images [C, H, W].
struct Case {
  std::vector<std::int64_t> shape;
  std::string likelihood = "bernoulli";
  std::int64_t levels = 2;
  std::string ordering = "raster";
  std::vector<std::int64_t> widths = {12, 12};
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << torch::IntArrayRef(c.shape) << " " << c.likelihood << " " << c.ordering;
}

ModelOptions options_of(const Case& c) {
  ModelOptions options;
  options.kind = "pixelcnn";
  options.likelihood = c.likelihood;
  options.levels = c.levels;
  options.ordering = c.ordering;
  options.widths = c.widths;
  return options;
}

Observation observation_of(const Case& c) {
  ObservationOptions options;
  options.layout = "nchw";
  StoredRows rows;
  rows.shape = c.shape;
  rows.white = 1;
  return Observation(options, rows, c.likelihood, std::nullopt, c.levels);
}

// In double, with initial weights times `sharpness`, so that conditionals are far from uniform.
std::shared_ptr<PixelCnn> make(const Case& c, double sharpness = 3,
                               const Conditioning& conditioning = {}) {
  auto model = std::dynamic_pointer_cast<PixelCnn>(
      make_pixelcnn(options_of(c), observation_of(c), conditioning));
  initialise(*model, 5);
  model->to(torch::kDouble);
  torch::NoGradGuard no_grad;
  for (auto& parameter : model->parameters()) parameter.mul_(sharpness);
  return model;
}

std::vector<std::int64_t> first_indices(std::int64_t count) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

bool is_levels(const Case& c) { return c.likelihood != "bernoulli"; }

// The greatest value of x.
double largest(const Case& c) {
  const auto levels = static_cast<double>(c.levels);
  return is_levels(c) ? (levels - 1) / levels : 1;
}

// Every image there is, [levels^D, C, H, W]; entry i of image n is digit i of n.
torch::Tensor all_images(const Case& c) {
  const std::int64_t variables = c10::multiply_integers(c.shape);
  std::int64_t count = 1;
  for (std::int64_t i = 0; i < variables; ++i) count *= c.levels;
  const auto numbers = torch::arange(count);
  std::vector<torch::Tensor> digits;
  std::int64_t power = 1;
  for (std::int64_t i = 0; i < variables; ++i, power *= c.levels) {
    digits.push_back(torch::floor_divide(numbers, power).remainder(c.levels));
  }
  std::vector<std::int64_t> sizes = {count};
  sizes.insert(sizes.end(), c.shape.begin(), c.shape.end());
  const double step = largest(c) / static_cast<double>(c.levels - 1);
  return (torch::stack(digits, 1).to(torch::kDouble) * step).view(sizes);
}

torch::Tensor log_probability(PixelCnn& model, const torch::Tensor& x,
                              const torch::Tensor& c = {}) {
  const auto indices = first_indices(x.size(0));
  return model.terms({x, indices, c}, {}, {}).objective;
}

// Ranks of the variables [C, H, W] in the ordering, flattened.
std::vector<std::int64_t> ranks(const Case& c) {
  std::vector<std::int64_t> result;
  for (std::int64_t k = 0; k < c.shape[0]; ++k) {
    for (std::int64_t h = 0; h < c.shape[1]; ++h) {
      for (std::int64_t w = 0; w < c.shape[2]; ++w) {
        const bool raster = c.ordering == "raster";
        const std::int64_t pixel = raster ? h * c.shape[2] + w : w * c.shape[1] + h;
        result.push_back(pixel * c.shape[0] + k);
      }
    }
  }
  return result;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {{1, 4, 4}},
      {{1, 4, 4}, "bernoulli", 2, "columns"},
      {{3, 3, 3}, "categorical", 3},
      {{3, 3, 3}, "categorical", 3, "columns"},
      {{2, 3, 4}, "discretised-logistic", 4, "columns"},
      {{4, 2, 3}, "bernoulli", 2, "raster", {8, 16}},
  };
  return all;
}

// |d parameter p of variable i / d x_j|, [P, D, D]: the largest of several x, as a gate or a
// rectifier may be closed at one of them.
torch::Tensor dependence(PixelCnn& model, const Case& c) {
  constexpr std::int64_t kPoints = 8;
  const auto noise =
      uniform_noise({1, Purpose::kSampling}, first_indices(kPoints), 0, c.shape, torch::kDouble);
  const auto x = (noise * largest(c)).detach().requires_grad_();
  const auto output = model.conditionals(x, {}).flatten(2);  // [B, P, D]
  std::vector<torch::Tensor> rows;
  for (std::int64_t p = 0; p < output.size(1); ++p) {
    for (std::int64_t i = 0; i < output.size(2); ++i) {
      const auto sum = output.select(2, i).select(1, p).sum();
      const auto gradient = torch::autograd::grad({sum}, {x}, {}, true)[0];
      rows.push_back(gradient.flatten(1).abs().amax(0));
    }
  }
  return torch::stack(rows).view({output.size(1), output.size(2), output.size(2)});
}

// truth: the derivative of the parameters of variable i by x_j is 0 exactly for j >= i in the
// ordering. And for every j before i there is one: no blind spot.
TEST(PixelCnn, ParametersDependOnAllEarlierVariablesAndOnNoOthers) {
  for (const auto& c : cases()) {
    const auto model = make(c);
    const auto derivatives = dependence(*model, c);
    const auto rank = torch::tensor(ranks(c));
    const auto before = rank.unsqueeze(0) < rank.unsqueeze(1);
    for (std::int64_t p = 0; p < derivatives.size(0); ++p) {
      const auto wrong = ((derivatives[p] != 0) != before).nonzero();
      EXPECT_EQ(wrong.size(0), 0) << c << ": parameter " << p << " of variables, by variables\n"
                                  << wrong;
    }
  }
}

TEST(PixelCnn, ProbabilitiesOfAllImagesAddUpToOne) {
  const std::vector<Case> all = {
      {{1, 3, 3}},
      {{1, 3, 3}, "bernoulli", 2, "columns"},
      {{2, 1, 2}, "categorical", 5},
      {{3, 1, 2}, "discretised-logistic", 3, "columns"},
      {{1, 2, 3}, "categorical", 3},
  };
  for (const auto& c : all) {
    const auto model = make(c);
    torch::NoGradGuard no_grad;
    const auto probability = log_probability(*model, all_images(c)).exp();
    EXPECT_NEAR(probability.sum().item<double>(), 1, 1e-6) << c;
    // Not the uniform distribution, for which any network would pass.
    EXPECT_GT((probability.max() / probability.min()).item<double>(), 2) << c;
  }
}

// log p(x) from one evaluation is the sum over variables of what is said of each by those before it
// alone, everything else erased.
TEST(PixelCnn, LogProbabilityIsTheSumOfConditionals) {
  for (const std::string& ordering : ordering_names()) {
    const Case c{{2, 3, 3}, "bernoulli", 2, ordering};
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

// Shares of all images against their exact probabilities, at 4 SE each. So many samples are drawn
// in several parts.
TEST(PixelCnn, SamplesAreDrawnWithTheirProbability) {
  const std::vector<Case> all = {
      {{1, 2, 2}, "bernoulli", 2, "raster", {16}},
      {{1, 2, 2}, "bernoulli", 2, "columns", {16}},
      {{2, 1, 2}, "categorical", 2, "raster", {16}},
      {{2, 2, 1}, "categorical", 3, "columns", {8}},
      {{1, 1, 2}, "discretised-logistic", 4, "raster", {8}},
  };
  constexpr std::int64_t kCount = 34000;
  const auto indices = first_indices(kCount);
  for (const auto& c : all) {
    const auto model = make(c);
    torch::NoGradGuard no_grad;
    const auto x = model->sample(indices, {}, {3}, Show::kDraw).flatten(1);
    const std::int64_t evaluations = model->evaluations();
    const std::int64_t variables = c10::multiply_integers(c.shape);
    EXPECT_EQ(evaluations % variables, 0) << c;
    EXPECT_EQ(evaluations > variables, c.widths[0] == 16) << c;  // in several parts
    const auto images = all_images(c);
    const auto probability = log_probability(*model, images).exp();
    std::int64_t found = 0;
    for (std::int64_t n = 0; n < images.size(0); ++n) {
      const std::int64_t times =
          ((x - images[n].flatten()).abs() < 1e-9).all(1).sum().item<std::int64_t>();
      const double p = probability[n].item<double>();
      EXPECT_NEAR(static_cast<double>(times) / kCount, p, 4 * std::sqrt(p * (1 - p) / kCount))
          << c << ": image " << n;
      found += times;
    }
    EXPECT_EQ(found, kCount) << c;
    const std::vector<std::int64_t> last = {kCount - 1};
    EXPECT_TRUE(torch::equal(model->sample(last, {}, {3}, Show::kDraw).flatten(), x[kCount - 1]));
  }
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
  const Case few{{1, 2, 3}, "discretised-logistic", 2};
  const Case many{{1, 2, 3}, "discretised-logistic", 256};
  torch::NoGradGuard no_grad;
  const auto black = torch::zeros({1, 1, 2, 3}, torch::kDouble);
  const auto of_few = make(few)->conditionals(black + largest(few), {});
  EXPECT_TRUE(torch::allclose(of_few, make(many)->conditionals(black + largest(many), {}), 1e-12));
  EXPECT_FALSE(torch::allclose(of_few, make(many)->conditionals(black + largest(few), {}), 1e-3));
  EXPECT_FALSE(torch::allclose(of_few, make(few)->conditionals(black, {}), 1e-3));
}

TEST(PixelCnn, IsConditionedOnC) {
  const Case c{{1, 2, 2}};
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
  EXPECT_THAT(model->summary(), testing::HasSubstr("2 classes"));
}

// A pixel is white with probability .9 where exactly one of its neighbours above and to the left is
// white (or as a fair coin, where it has neither), else with .1.
torch::Tensor log_source(const torch::Tensor& images) {
  torch::Tensor sum = torch::zeros({images.size(0)}, torch::kDouble);
  for (std::int64_t h = 0; h < images.size(2); ++h) {
    for (std::int64_t w = 0; w < images.size(3); ++w) {
      const auto black = torch::zeros({images.size(0)}, torch::kDouble);
      const auto above = h > 0 ? images.select(2, h - 1).select(2, w).squeeze(1) : black;
      const auto left = w > 0 ? images.select(2, h).select(2, w - 1).squeeze(1) : black;
      const auto white =
          h + w == 0 ? black + 0.5 : torch::where(above != left, black + 0.9, black + 0.1);
      const auto x = images.select(2, h).select(2, w).squeeze(1);
      sum += torch::where(x == 1, white, 1 - white).log();
    }
  }
  return sum;
}

// Trained on the source's exact distribution, without sampling, the mean of -log p(x) is its
// entropy plus KL(source, model): within .01 nat. Independent pixels would stay more than 1 nat
// above it.
TEST(PixelCnn, TrainingReachesTheEntropyOfItsSource) {
  for (const std::string& ordering : ordering_names()) {
    const Case c{{1, 2, 3}, "bernoulli", 2, ordering, {16, 16}};
    const auto model = make(c, 1);
    const auto images = all_images(c);
    const auto source = log_source(images).exp();
    ASSERT_NEAR(source.sum().item<double>(), 1, 1e-12);
    const double entropy = -(source * source.log()).sum().item<double>();
    const auto white = (source.view({64, 1, 1, 1}) * images).sum(0);
    const double independent =
        -(white * white.log() + (1 - white) * (1 - white).log()).sum().item<double>();
    ASSERT_GT(independent, entropy + 1);
    torch::optim::Adam optimizer(model->parameters(), 0.01);
    double loss = 0;
    for (int step = 0; step < 400; ++step) {
      optimizer.zero_grad();
      const auto mean = -(source * log_probability(*model, images)).sum();
      mean.backward();
      optimizer.step();
      loss = mean.item<double>();
    }
    EXPECT_GE(loss, entropy) << ordering;
    EXPECT_LT(loss, entropy + 0.01) << ordering;
  }
}

TEST(PixelCnn, IsMadeByItsName) {
  const Case c{{1, 4, 4}, "bernoulli", 2, "columns"};
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
  const Case binary{{1, 4, 4}};
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
  EXPECT_THROW(model->terms(shard, {}, objective), ConfigError);
  objective = {};
  objective.kl_weight = 0.5;
  EXPECT_THROW(model->terms(shard, {}, objective), ConfigError);
  objective = {};
  objective.free_bits = 0.1;
  EXPECT_THROW(model->terms(shard, {}, objective), ConfigError);
  EXPECT_THROW(model->reconstruct(shard), ConfigError);
  EXPECT_THROW(model->encode(shard), ConfigError);
  EXPECT_THROW(model->decode(torch::zeros({2, 3}), {}), ConfigError);
  EXPECT_THROW(model->terms({shard.x.narrow(0, 0, 1), indices}, {}, {}), Error);
}

}  // namespace
}  // namespace elbow
