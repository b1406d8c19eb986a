#include "trainer/model/truncated_normal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/trainer/model/prior_checks.h"

namespace elbow {
namespace {

TruncatedNormal normal_between(double mu, double s, std::int64_t rows = 1,
                               at::ScalarType type = torch::kDouble) {
  return {torch::full({rows, 1}, mu, type), torch::full({rows, 1}, s, type)};
}

struct Case {
  double mu;
  double s;
};

// Inside, at an end, and beyond either by up to three scales.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const double s : {1e-3, 0.02, 0.5, 2.0, 10.0}) {
    for (const double mu : {0.0, 0.3, -0.999, 1.0, -1.0 - 3 * s, 1.0 + 3 * s})
      all.push_back({mu, s});
  }
  return all;
}

// E_q f(z, log q(z)) with a density that is normalised by quadrature too.
double expectation(
    const Case& c,
    const std::function<torch::Tensor(const torch::Tensor&, const torch::Tensor&)>& function) {
  const double low = std::max(-1.0, c.mu - 14 * c.s);
  const double high = std::min(1.0, c.mu + 14 * c.s);
  // The largest value is taken out, or far from the mean nothing would be left.
  const double nearest = std::clamp(c.mu, low, high);
  const double largest = -0.5 * std::pow((nearest - c.mu) / c.s, 2);
  const auto log_shape = [&](const torch::Tensor& z) {
    return -0.5 * ((z - c.mu) / c.s).square() - largest;
  };
  const double log_mass =
      std::log(integral([&](const auto& z) { return log_shape(z).exp(); }, low, high));
  return integral(
      [&](const torch::Tensor& z) {
        const auto log_q = log_shape(z) - log_mass;
        return log_q.exp() * function(z, log_q);
      },
      low, high);
}

TEST(TruncatedNormal, KlToUniformIsTheKnownOne) {
  EXPECT_NEAR(normal_between(0.3, 0.5).kl_to_uniform().item<double>(), 0.190549, 1e-6);
}

TEST(TruncatedNormal, KlAndMomentsMatchQuadrature) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(testing::Message() << "mu " << c.mu << ", s " << c.s);
    const auto q = normal_between(c.mu, c.s);
    const double kl =
        expectation(c, [](const auto& /*z*/, const auto& log_q) { return log_q + std::log(2.0); });
    EXPECT_NEAR(q.kl_to_uniform().item<double>(), kl, 1e-10);
    const double mean = expectation(c, [](const auto& z, const auto& /*log_q*/) { return z; });
    EXPECT_NEAR(q.mean().item<double>(), mean, 1e-9);
    const double variance =
        expectation(c, [&](const auto& z, const auto& /*log_q*/) { return (z - mean).square(); });
    EXPECT_NEAR(q.deviation().item<double>() / std::sqrt(variance), 1.0, 1e-6);
  }
}

TEST(TruncatedNormal, DensityIntegratesToOneAndEndsAtTheInterval) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(testing::Message() << "mu " << c.mu << ", s " << c.s);
    const auto density = [&](const torch::Tensor& z) {
      return normal_between(c.mu, c.s).log_density(z.unsqueeze(1)).exp();
    };
    const double low = std::max(-1.0, c.mu - 14 * c.s);
    const double high = std::min(1.0, c.mu + 14 * c.s);
    EXPECT_NEAR(integral(density, low, high), 1.0, 1e-8);
  }
  const auto z = torch::tensor({-1.0, 1.0, -1.0001, 1.0001}, torch::kDouble).unsqueeze(1);
  const auto log_q = normal_between(0.3, 0.5).log_density(z);
  EXPECT_TRUE(log_q.slice(0, 0, 2).isfinite().all().item<bool>());
  EXPECT_TRUE(log_q.slice(0, 2, 4).isneginf().all().item<bool>());
}

double distribution(const Case& c, double z) {
  const auto phi = [](double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); };
  const double a = phi((-1 - c.mu) / c.s);
  return (phi((z - c.mu) / c.s) - a) / (phi((1 - c.mu) / c.s) - a);
}

TEST(TruncatedNormal, DrawInvertsTheDistributionFunction) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(testing::Message() << "mu " << c.mu << ", s " << c.s);
    for (const double u : {1e-4, 0.1, 0.5, 0.77, 0.9999}) {
      const auto z =
          normal_between(c.mu, c.s).draw(torch::full({1, 1}, u, torch::kDouble)).item<double>();
      EXPECT_NEAR(distribution(c, z), u, 1e-8);
    }
  }
}

// Where rounding would take the inverse distribution function over the end.
TEST(TruncatedNormal, DrawsNeverLeaveTheInterval) {
  for (const auto& c : cases()) {
    for (const double u : {0x1p-53, 0x1p-33, 1.0 - 0x1p-33, 1.0 - 0x1p-53}) {
      const auto z =
          normal_between(c.mu, c.s).draw(torch::full({1, 1}, u, torch::kDouble)).item<double>();
      EXPECT_LE(std::abs(z), 1.0) << "mu " << c.mu << ", s " << c.s << ", u " << u;
    }
  }
}

TEST(TruncatedNormal, DrawsHaveItsMoments) {
  constexpr std::int64_t kCount = 100000;
  for (const Case& c : {Case{0.3, 0.5}, Case{-1.2, 0.4}, Case{0.0, 10.0}}) {
    const auto q = normal_between(c.mu, c.s, kCount, torch::kFloat);
    const auto z = q.draw(q.noise({1, Purpose::kPosterior}, indices_up_to(kCount), 0));
    const double mean = normal_between(c.mu, c.s).mean().item<double>();
    expect_mean(z, mean);
    expect_mean((z - mean).square(),
                std::pow(normal_between(c.mu, c.s).deviation().item<double>(), 2));
  }
}

TEST(TruncatedNormal, FloatAgreesWithDouble) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(testing::Message() << "mu " << c.mu << ", s " << c.s);
    // The same numbers in both types.
    const Case rounded = {static_cast<float>(c.mu), static_cast<float>(c.s)};
    const auto single = normal_between(rounded.mu, rounded.s, 1, torch::kFloat);
    const auto exact = normal_between(rounded.mu, rounded.s);
    EXPECT_EQ(single.kl_to_uniform().scalar_type(), torch::kFloat);
    const double kl = exact.kl_to_uniform().item<double>();
    EXPECT_NEAR(single.kl_to_uniform().item<double>(), kl, 1e-6 * kl + 1e-12);
    const auto u = torch::full({1, 1}, 0.3, torch::kFloat);
    const auto z = single.draw(u);
    EXPECT_NEAR(z.item<double>(), exact.draw(u.to(torch::kDouble)).item<double>(), 1e-7);
    const double log_q = exact.log_density(z.to(torch::kDouble)).item<double>();
    EXPECT_NEAR(single.log_density(z).item<double>(), log_q, 1e-6 * std::abs(log_q) + 1e-6);
  }
}

TEST(TruncatedNormal, AnyEncoderOutputIsStable) {
  std::vector<double> outputs;
  for (const double size : {0.0, 0.5, 3.0, 30.0, 1e6, 1e30}) {
    outputs.push_back(size);
    outputs.push_back(-size);
  }
  const auto values = torch::tensor(outputs, torch::kFloat);
  const auto pairs = torch::cartesian_prod({values, values});
  auto output = pairs.clone().set_requires_grad(true);
  const TruncatedNormal q(output);
  for (const double u : {0x1p-33, 0.5, 1.0 - 0x1p-24}) {
    const auto z = q.draw(torch::full({pairs.size(0), 1}, u, torch::kFloat));
    EXPECT_TRUE(z.abs().le(1.0).all().item<bool>());
    const auto log_q = q.log_density(z);
    EXPECT_TRUE(log_q.isfinite().all().item<bool>());
    (z.sum() + log_q.sum() + q.kl_to_uniform().sum()).backward({}, true);
  }
  EXPECT_TRUE(output.grad().isfinite().all().item<bool>());
  EXPECT_TRUE(q.kl_to_uniform().ge(0.0).all().item<bool>());
  EXPECT_TRUE(q.deviation().gt(0.0).all().item<bool>());
}

// Location and scale as the header states them.
TEST(TruncatedNormal, EncoderOutputMeansLocationAndScale) {
  const double r = 2.0;
  const double t = -1.5;
  const double s =
      std::exp(std::log(0.1) + std::log(100.0) * std::tanh((t - std::log(0.1)) / std::log(100.0)));
  const double mu = (1 + 3 * s) * std::tanh(r / (1 + 3 * s));
  const auto z = torch::full({1, 1}, 0.4, torch::kDouble);
  EXPECT_NEAR(
      TruncatedNormal(torch::tensor({{r, t}}, torch::kDouble)).log_density(z).item<double>(),
      normal_between(mu, s).log_density(z).item<double>(), 1e-12);
}

TEST(TruncatedNormal, DrawsDerivativesAreFiniteDifferences) {
  const double step = 1e-6;
  for (const auto& c : cases()) {
    SCOPED_TRACE(testing::Message() << "mu " << c.mu << ", s " << c.s);
    for (const double uniform : {0.05, 0.5, 0.9}) {
      const auto u = torch::full({1, 1}, uniform, torch::kDouble);
      auto mu = torch::full({1, 1}, c.mu, torch::kDouble).set_requires_grad(true);
      auto s = torch::full({1, 1}, c.s, torch::kDouble).set_requires_grad(true);
      TruncatedNormal(mu, s).draw(u).backward();
      const auto draw = [&](double m, double d) {
        return normal_between(m, d).draw(u).item<double>();
      };
      const double h = step * c.s;
      EXPECT_NEAR(mu.grad().item<double>(), (draw(c.mu + h, c.s) - draw(c.mu - h, c.s)) / (2 * h),
                  1e-5);
      EXPECT_NEAR(s.grad().item<double>(), (draw(c.mu, c.s + h) - draw(c.mu, c.s - h)) / (2 * h),
                  1e-5);
    }
  }
}

// d E_q f / d(mu, s) for f = z^3 + z^2: the mean of the draws' derivatives, the mean of f times the
// score, and the difference of two integrals are one number. The first two at 4 standard errors.
TEST(TruncatedNormal, ReparameterisedGradientIsThatOfTheExpectation) {
  constexpr std::int64_t kCount = 200000;
  const auto f = [](const torch::Tensor& z) { return z.pow(3) + z.square(); };
  for (const Case& c : {Case{0.3, 0.5}, Case{1.1, 0.2}}) {
    auto mu = torch::full({kCount, 1}, c.mu, torch::kDouble).set_requires_grad(true);
    auto s = torch::full({kCount, 1}, c.s, torch::kDouble).set_requires_grad(true);
    const TruncatedNormal q(mu, s);
    const auto z = q.draw(q.noise({1, Purpose::kPosterior}, indices_up_to(kCount), 0));
    const auto pathwise = torch::autograd::grad({f(z).sum()}, {mu, s}, {}, true);
    const auto score = torch::autograd::grad({q.log_density(z.detach()).sum()}, {mu, s});
    const auto at = [&](double m, double d) {
      return expectation({m, d}, [&](const auto& x, const auto& /*log_q*/) { return f(x); });
    };
    const double h = 1e-5;
    const std::array<double, 2> exact = {(at(c.mu + h, c.s) - at(c.mu - h, c.s)) / (2 * h),
                                         (at(c.mu, c.s + h) - at(c.mu, c.s - h)) / (2 * h)};
    for (std::size_t i = 0; i < 2; ++i) {
      expect_mean(pathwise[i], exact[i]);
      expect_mean(f(z.detach()) * score[i], exact[i]);
    }
  }
}

TEST(TruncatedNormal, DetachedIsTheSameWithoutGradient) {
  auto output = torch::tensor({{0.4, -1.0}}).set_requires_grad(true);
  const TruncatedNormal q(output);
  const auto constant = q.detached();
  const auto u = torch::full({1, 1}, 0.8F);
  EXPECT_FALSE(constant->draw(u).requires_grad());
  EXPECT_TRUE(q.draw(u).requires_grad());
  EXPECT_TRUE(torch::equal(constant->draw(u), q.draw(u).detach()));
  EXPECT_TRUE(torch::equal(constant->deviation(), q.deviation().detach()));
}

}  // namespace
}  // namespace elbow
