// A hundred steps of training against PyTorch with torch.distributions: the same weights, data,
// order and noise have to give the same losses. The reference values and the script that made them
// are in tests/reference.
#include <cmath>
#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "trainer/model/model.h"
#include "trainer/training/flat_parameters.h"
#include "trainer/training/optimizer.h"

namespace elbow {
namespace {

nlohmann::json reference() {
  const char* source = std::getenv("TESTS_SOURCE_DIR");
  const std::string folder = source != nullptr ? source : ".";
  std::ifstream file(folder + "/tests/reference/vae_training.json");
  return nlohmann::json::parse(file);
}

// The data set's formula, as in the script.
std::byte pixel(std::int64_t index, std::int64_t row, std::int64_t column) {
  const std::int64_t phase =
      (17 * index + 8 * row * (3 + index % 4) + 8 * column * (2 + index % 3)) % 512;
  return static_cast<std::byte>(phase < 256 ? phase : 511 - phase);
}

Batch make_batch(const std::vector<std::int64_t>& indices, std::int64_t side) {
  Batch batch;
  batch.indices = indices;
  batch.shape = {side, side};
  for (const auto index : indices) {
    for (std::int64_t row = 0; row < side; ++row) {
      for (std::int64_t column = 0; column < side; ++column) {
        batch.values.push_back(pixel(index, row, column));
      }
    }
  }
  return batch;
}

std::vector<double> train(const nlohmann::json& json, const std::string& likelihood,
                          at::ScalarType type) {
  const auto side = json["side"].get<std::int64_t>();
  const auto seed = json["seed"].get<std::uint64_t>();
  ModelOptions options;
  options.latent = json["latent"];
  options.likelihood = likelihood;
  options.sigma_floor = json["sigma_floor"];
  options.widths = {json["hidden"].get<std::int64_t>()};
  const Observation observation({}, {{side, side}, ValueType::kUint8}, likelihood);
  const auto model = make_model(options, observation, seed);
  model->to(type);
  FlatParameters parameters(*model);
  const auto adam = make_optimizer({}, parameters);
  const auto order = json["order"].get<std::vector<std::vector<std::int64_t>>>();
  const auto steps_per_epoch = json["count"].get<std::size_t>() / json["batch"].get<std::size_t>();
  std::vector<double> losses;
  for (std::size_t step = 0; step < order.size(); ++step) {
    const RunNoise noise{seed, 0, static_cast<std::uint32_t>(step / steps_per_epoch)};
    const auto x = observation.x(make_batch(order[step], side), noise).to(type);
    const auto loss = -model->terms({x, order[step]}, noise, {1}).objective.sum();
    parameters.gradient().zero_();
    loss.backward();
    const auto count = static_cast<double>(order[step].size());
    adam->step(parameters.gradient(), count, json["rate"].get<double>());
    losses.push_back(loss.item<double>() / count);
  }
  return losses;
}

double largest_relative_difference(const nlohmann::json& json, const std::string& likelihood,
                                   at::ScalarType type) {
  const auto losses = train(json, likelihood, type);
  const auto expected = json["losses"][likelihood].get<std::vector<double>>();
  EXPECT_EQ(losses.size(), 100U);
  EXPECT_EQ(losses.size(), expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(losses[i] / expected[i] - 1));
  }
  std::printf("%s in %s: %zu losses, largest relative difference %.1e\n", likelihood.c_str(),
              c10::toString(type), losses.size(), worst);
  return worst;
}

TEST(VaeTraining, GaussianAgreesWithPyTorch) {
  const auto json = reference();
  EXPECT_LT(largest_relative_difference(json, "gaussian", torch::kFloat), 1e-5);
  EXPECT_LT(largest_relative_difference(json, "gaussian", torch::kDouble), 1e-9);
}

TEST(VaeTraining, BernoulliAgreesWithPyTorch) {
  const auto json = reference();
  EXPECT_LT(largest_relative_difference(json, "bernoulli", torch::kFloat), 1e-5);
  EXPECT_LT(largest_relative_difference(json, "bernoulli", torch::kDouble), 1e-9);
}

TEST(VaeTraining, NoiseAgreesWithTheReference) {
  const auto json = reference();
  const auto check = [](const torch::Tensor& values, const nlohmann::json& expected) {
    ASSERT_EQ(values.numel(), static_cast<std::int64_t>(expected.size()));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(values[0][static_cast<std::int64_t>(i)].item<double>(), expected[i].get<double>(),
                  1e-14);
    }
  };
  const RunNoise noise{json["seed"].get<std::uint64_t>(), 0, 3};
  const std::vector<std::int64_t> index = {5};
  const std::vector<std::int64_t> large = {(std::int64_t{1} << 33) + 5};
  check(normal_noise(noise.key(Purpose::kPosterior), index, 2, {5}, torch::kDouble),
        json["noise"]["normal"]);
  check(uniform_noise(noise.key(Purpose::kBinarisation), large, 0, {5}, torch::kDouble),
        json["noise"]["uniform"]);
  check(dither_noise(noise.key(Purpose::kDither), index, 0, {11}), json["noise"]["uniform16"]);
}

}  // namespace
}  // namespace elbow
