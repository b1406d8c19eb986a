// A trained VAE of two latents has so small a space of codes that p(x) can be had by a grid over
// it: the probabilities of all images add up to 1, and importance sampling finds each of them.
#include <cmath>
#include <numbers>

#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include "tests/trainer/model/linear_model.h"
#include "tests/trainer/model/pixelcnn_cases.h"
#include "trainer/model/vae.h"

namespace elbow {
namespace {

using pixelcnn_cases::PixelCnnCase;

const PixelCnnCase kImages{{1, 3, 3}};

// Stripes, horizontal or vertical, 4% of whose pixels are turned over: [count, 1, 3, 3].
torch::Tensor stripes(std::int64_t count) {
  const auto indices = first_indices(count);
  const auto noise = uniform_noise({1, Purpose::kSampling}, indices, 0, {7}, torch::kDouble);
  const auto turned = uniform_noise({1, Purpose::kSampling}, indices, 1, {1, 3, 3}, torch::kDouble);
  const auto lines = (noise.narrow(1, 0, 3) < 0.5).to(torch::kDouble).view({count, 1, 1, 3});
  const auto wide = lines.expand({count, 1, 3, 3});
  const auto across = noise.select(1, 6).view({count, 1, 1, 1}) < 0.5;
  const auto image = torch::where(across, wide, wide.transpose(2, 3));
  return torch::where(turned < 0.04, 1 - image, image);
}

std::shared_ptr<Vae> trained(const std::string& prior) {
  ModelOptions options;
  options.latent = 2;
  options.widths = {16};
  options.likelihood = "bernoulli";
  options.prior = prior;
  options.components = 4;
  auto vae = std::dynamic_pointer_cast<Vae>(
      make_model(options, pixelcnn_cases::observation_of(kImages), 5));
  vae->to(torch::kDouble);
  const auto x = stripes(400);
  const auto indices = first_indices(400);
  torch::optim::Adam optimizer(vae->parameters(), 0.01);
  for (std::uint32_t step = 0; step < 300; ++step) {
    optimizer.zero_grad();
    (-vae->terms({x, indices}, {1, 0, step}, {1}).objective.mean()).backward();
    optimizer.step();
  }
  return vae;
}

struct Grid {
  torch::Tensor z;    // [points, 2]
  double log_weight;  // of each point: the logarithm of its cell's area
};

// Midpoints of cells. Over [-8, 8]^2 for densities that vanish outside, where the rule is as exact
// as the trapezoidal one; over [-1, 1]^2 for the uniform prior.
Grid grid(const std::string& prior, std::int64_t side) {
  const double end = prior == "uniform" ? 1 : 8;
  const double step = 2 * end / static_cast<double>(side);
  const auto axis = (torch::arange(side, torch::kDouble) + 0.5) * step - end;
  return {torch::cartesian_prod({axis, axis}), 2 * std::log(step)};
}

// log p(x) of each image, [512].
torch::Tensor log_probability(const Vae& vae, const torch::Tensor& x, const Grid& grid) {
  torch::NoGradGuard no_grad;
  const LatentModel& model = vae.model();
  const auto log_prior = model.prior->log_density(grid.z, {}) + grid.log_weight;
  const auto parameters = model.decoder->forward(grid.z, {});
  std::vector<torch::Tensor> result;
  for (std::int64_t n = 0; n < x.size(0); ++n) {
    const auto same = x.narrow(0, n, 1).expand({grid.z.size(0), 1, 3, 3});
    result.push_back(
        torch::logsumexp(log_prior + model.likelihood->log_density(same, parameters), 0));
  }
  return torch::stack(result);
}

class TotalProbability : public testing::TestWithParam<std::string> {};

TEST_P(TotalProbability, OfAllImagesIsOneAndImportanceSamplingFindsEach) {
  const auto vae = trained(GetParam());
  const auto x = pixelcnn_cases::all_images(kImages);
  const auto exact = log_probability(*vae, x, grid(GetParam(), 320));
  const auto coarse = log_probability(*vae, x.narrow(0, 0, 64), grid(GetParam(), 160));
  EXPECT_LT((coarse - exact.narrow(0, 0, 64)).abs().max().item<double>(), 1e-3);
  EXPECT_NEAR(exact.exp().sum().item<double>(), 1, 1e-6);
  // Far from the uniform distribution, for which any decoder would pass.
  EXPECT_GT((exact.max() - exact.min()).item<double>(), std::log(10));

  const auto indices = first_indices(512);
  const auto figures = vae->evaluate({x, indices}, {5000}, evaluation_noise());
  double difference = 0;
  for (std::int64_t n = 0; n < 512; ++n) {
    const auto i = static_cast<std::size_t>(n);
    const double truth = exact[n].item<double>();
    difference += (figures.log_likelihood[i] - truth) / 512;
    EXPECT_LT(figures.elbo[i], truth + 0.1) << n;
  }
  EXPECT_NEAR(difference, 0, 0.02);
}

INSTANTIATE_TEST_SUITE_P(Priors, TotalProbability,
                         testing::Values("gaussian", "uniform", "mixture"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace elbow
