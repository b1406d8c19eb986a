// A VAE whose answers are known: x = W z + b + noise of deviation s, W with orthogonal columns, so
// that the posterior is a diagonal Gaussian (Tipping & Bishop 1999): N(V (x - b), diag v) with
// V = M^-1 W', v = s^2 / diag(M), M = W'W + s^2 I.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <numbers>
#include <numeric>
#include <vector>

#include <torch/types.h>

#include "tests/trainer/model/first_indices.h"
#include "trainer/model/gaussian_likelihood.h"
#include "trainer/model/model.h"
#include "trainer/model/vae.h"

namespace elbow {

// Observation of vectors of `variables` numbers, taken as they are.
inline Observation raw_vectors(std::int64_t variables) {
  return {{"raw", "vector"}, {{variables}, ValueType::kFloat32}, "gaussian"};
}

inline std::shared_ptr<Vae> untrained_linear_vae(std::int64_t variables, std::int64_t latent) {
  ModelOptions options;
  options.latent = latent;
  options.widths = {};
  return std::dynamic_pointer_cast<Vae>(make_model(options, raw_vectors(variables), 1));
}

struct LinearModel {
  torch::Tensor weights_DK;  // double
  torch::Tensor bias_D;
  double sigma = 1;

  // Orthogonal columns of growing length.
  static LinearModel simulated(std::int64_t variables, std::int64_t latent, double sigma) {
    const std::vector<std::int64_t> rows = {0};
    const auto noise =
        normal_noise({3, Purpose::kSampling}, rows, 0, {variables, latent + 1}, torch::kDouble)[0];
    const auto q = std::get<0>(torch::linalg_qr(noise.narrow(1, 0, latent)));
    const auto lengths = torch::arange(1, latent + 1, torch::kDouble).sqrt();
    return {q * lengths, noise.select(1, latent), sigma};
  }

  // The maximum of the likelihood of data x_ND with 1/N: s^2 = mean(l_{k+1..n}),
  // W = U_k (L_k - s^2 I)^(1/2), b = mean.
  static LinearModel fitted(const torch::Tensor& x_ND, std::int64_t latent) {
    const auto bias = x_ND.mean(0);
    const auto centred = x_ND - bias;
    const auto covariance = centred.t().mm(centred) / x_ND.size(0);
    const auto [values, vectors] = torch::linalg_eigh(covariance);
    const std::int64_t rest = x_ND.size(1) - latent;
    const double variance = values.narrow(0, 0, rest).mean().item<double>();
    const auto lengths = (values.narrow(0, rest, latent) - variance).sqrt();
    return {vectors.narrow(1, rest, latent) * lengths, bias, std::sqrt(variance)};
  }

  std::int64_t latent() const { return weights_DK.size(1); }

  torch::Tensor m_diagonal() const { return weights_DK.square().sum(0) + sigma * sigma; }

  // x_ND, keyed by row.
  torch::Tensor sample(std::int64_t count, std::uint64_t seed) const {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
    std::iota(rows.begin(), rows.end(), 0);
    const NoiseKey key{seed, Purpose::kSampling};
    const auto z = normal_noise(key, rows, 0, {latent()}, torch::kDouble);
    const auto noise = normal_noise(key, rows, 1, {weights_DK.size(0)}, torch::kDouble);
    return z.mm(weights_DK.t()) + bias_D + sigma * noise;
  }

  // Exact log p(x) of each row under N(b, C), C = W W' + s^2 I, [N].
  torch::Tensor log_density(const torch::Tensor& x_ND) const {
    const std::int64_t n = weights_DK.size(0);
    const auto c = weights_DK.mm(weights_DK.t()) + sigma * sigma * torch::eye(n, torch::kDouble);
    const auto factor = torch::linalg_cholesky(c);
    const auto white =
        torch::linalg_solve_triangular(factor, (x_ND.to(torch::kDouble) - bias_D).t(), false);
    const double constant = static_cast<double>(n) * std::log(2 * std::numbers::pi) +
                            2 * factor.diagonal().log().sum().item<double>();
    return -0.5 * (white.square().sum(0) + constant);
  }

  // The model with these weights and the exact posterior, its variance times `widening`.
  std::shared_ptr<Vae> vae(double widening = 1) const {
    torch::NoGradGuard no_grad;
    auto model = untrained_linear_vae(weights_DK.size(0), latent());
    model->to(torch::kDouble);
    const auto v = weights_DK.t() / m_diagonal().unsqueeze(1);
    const auto variance = sigma * sigma / m_diagonal() * widening;
    auto parameters = model->named_parameters();
    parameters["encoder.0.weight"].copy_(torch::cat({v, torch::zeros_like(v)}));
    parameters["encoder.0.bias"].copy_(torch::cat({-v.mv(bias_D), variance.log()}));
    parameters["decoder.0.weight"].copy_(weights_DK);
    parameters["decoder.0.bias"].copy_(bias_D);
    std::dynamic_pointer_cast<GaussianLikelihood>(model->model().likelihood)->set_sigma(sigma);
    return model;
  }
};

inline RunNoise evaluation_noise(std::uint64_t seed = 1) { return {seed, 0, kEvaluationEpoch}; }

}  // namespace elbow
