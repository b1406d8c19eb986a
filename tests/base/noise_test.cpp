#include "base/noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>
#include <vector>

#include <Random123/philox.h>
#include <gtest/gtest.h>

namespace elbow {
namespace {

using Words = std::array<std::uint32_t, 4>;
using Key = std::array<std::uint32_t, 2>;

// Philox4x32-10 written down from the paper (Salmon et al. 2011, section 3.4), to test the library
// and our use of it against something else.
Words philox(Words counter, Key key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9;  // the golden ratio
    key[1] += 0xBB67AE85;  // sqrt(3) - 1
  }
  return counter;
}

struct Known {
  Words counter;
  Key key;
  Words answer;
};

// The lines "philox4x32 10" of Random123's kat_vectors.
const std::vector<Known> kKnown = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

TEST(Philox, LibraryGivesKnownAnswers) {
  for (const auto& [counter, key, answer] : kKnown) {
    const r123::Philox4x32::ctr_type c = {{counter[0], counter[1], counter[2], counter[3]}};
    const r123::Philox4x32::key_type k = {{key[0], key[1]}};
    const auto out = r123::Philox4x32()(c, k);
    EXPECT_EQ((Words{out[0], out[1], out[2], out[3]}), answer);
  }
}

TEST(Philox, PaperGivesKnownAnswers) {
  for (const auto& [counter, key, answer] : kKnown) EXPECT_EQ(philox(counter, key), answer);
}

// The scheme is part of the format: a stored run repeats only if these stay.
TEST(Noise, KeyAndCounterAsWrittenDown) {
  const NoiseKey key{
      .seed = 0x0123456789ABCDEF, .purpose = Purpose::kPosterior, .stage = 2, .epoch = 17};
  const Words derived = philox({6, 2, 17, 0x656C626F}, {0x89ABCDEF, 0x01234567});
  const Noise noise(key);
  for (const std::uint64_t index : {0ULL, 1ULL, 0xFFFFFFFFULL, 0x123456789AULL}) {
    for (const std::uint32_t draw : {0U, 99U}) {
      for (const std::uint32_t block : {0U, 5U}) {
        const Words expected = philox({block, draw, static_cast<std::uint32_t>(index),
                                       static_cast<std::uint32_t>(index >> 32)},
                                      {derived[0], derived[1]});
        EXPECT_EQ(noise.words(index, draw, block), expected);
      }
    }
  }
}

TEST(Noise, PurposesKeepTheirNumbers) {
  EXPECT_EQ(static_cast<int>(Purpose::kInitialisation), 1);
  EXPECT_EQ(static_cast<int>(Purpose::kOrder), 2);
  EXPECT_EQ(static_cast<int>(Purpose::kSplit), 3);
  EXPECT_EQ(static_cast<int>(Purpose::kDither), 4);
  EXPECT_EQ(static_cast<int>(Purpose::kBinarisation), 5);
  EXPECT_EQ(static_cast<int>(Purpose::kPosterior), 6);
  EXPECT_EQ(static_cast<int>(Purpose::kEvaluation), 7);
  EXPECT_EQ(static_cast<int>(Purpose::kSampling), 8);
}

TEST(Noise, UniformsAreTheWords) {
  const Noise noise({.seed = 3});
  std::vector<double> uniforms(10);
  std::vector<float> coarse(19);
  noise.uniform(8, 1, uniforms);
  noise.uniform16(8, 1, coarse);
  for (std::size_t i = 0; i < uniforms.size(); ++i) {
    const std::uint32_t word = noise.words(8, 1, static_cast<std::uint32_t>(i / 4))[i % 4];
    EXPECT_EQ(uniforms[i], (word + 0.5) / 4294967296.0);
    EXPECT_EQ(coarse[2 * i < 19 ? 2 * i : 0] * 65536.0F,
              2 * i < 19 ? static_cast<float>(word & 0xFFFF) : coarse[0] * 65536.0F);
    if (2 * i + 1 < 19) {
      EXPECT_EQ(coarse[2 * i + 1] * 65536.0F, static_cast<float>(word >> 16));
    }
  }
}

TEST(Noise, NormalsAreBoxAndMullersTransform) {
  const Noise noise({.seed = 4});
  std::vector<double> uniforms(8);
  std::vector<double> normals(8);
  noise.uniform(1, 2, uniforms);
  noise.normal(1, 2, normals);
  for (std::size_t i = 0; i < 8; i += 2) {
    const double radius = std::sqrt(-2 * std::log(uniforms[i]));
    const double angle = 2 * std::numbers::pi * uniforms[i + 1];
    EXPECT_NEAR(normals[i], radius * std::cos(angle), 1e-14);
    EXPECT_NEAR(normals[i + 1], radius * std::sin(angle), 1e-14);
  }
}

TEST(Noise, ElementsDoNotDependOnTheLengthAskedFor) {
  const Noise noise({.seed = 5});
  std::vector<double> uniform(100);
  std::vector<double> normal(100);
  std::vector<float> normal_float(100);
  std::vector<float> coarse(100);
  noise.uniform(3, 4, uniform);
  noise.normal(3, 4, normal);
  noise.normal(3, 4, normal_float);
  noise.uniform16(3, 4, coarse);
  for (std::size_t length = 0; length < 100; ++length) {
    std::vector<double> shorter(length);
    std::vector<float> shorter_float(length);
    noise.uniform(3, 4, shorter);
    EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), uniform.begin()));
    noise.normal(3, 4, shorter);
    EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), normal.begin()));
    noise.normal(3, 4, shorter_float);
    EXPECT_TRUE(std::equal(shorter_float.begin(), shorter_float.end(), normal_float.begin()));
    noise.uniform16(3, 4, shorter_float);
    EXPECT_TRUE(std::equal(shorter_float.begin(), shorter_float.end(), coarse.begin()));
  }
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(normal_float[i], static_cast<float>(normal[i]));
}

// Dithered 8-bit values (k + u)/256 must be exact in float, and stay below the next one.
TEST(Noise, DitherIsExactInFloat) {
  const Noise noise({.purpose = Purpose::kDither});
  std::vector<float> u(4096);
  noise.uniform16(0, 0, u);
  for (const float value : u) {
    EXPECT_GE(value, 0.0F);
    EXPECT_LT(value, 1.0F);
    const float x = (255.0F + value) / 256.0F;
    EXPECT_EQ(static_cast<double>(x), (255.0 + static_cast<double>(value)) / 256.0);
    EXPECT_LT(x, 1.0F);
  }
}

TEST(Noise, UniformsNeverReachTheEnds) {
  const Noise noise({.seed = 6});
  std::vector<double> values(1 << 16);
  noise.uniform(0, 0, values);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  EXPECT_GT(*low, 0.0);
  EXPECT_LT(*high, 1.0);
}

// sup |F_n - F| of sorted values under a distribution function.
template <typename F>
double kolmogorov_smirnov(std::vector<double> values, F&& distribution) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double distance = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double p = distribution(values[i]);
    const auto rank = static_cast<double>(i);
    distance = std::max({distance, p - rank / n, (rank + 1) / n - p});
  }
  return distance;
}

// P(sqrt(n) D > 2.23) = 2 exp(-2 * 2.23^2) = 1e-4: fixed seeds, so it passes always or never, and a
// sound generator would have failed with this probability when the seed was chosen.
constexpr double kCritical = 2.23;

double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

TEST(Noise, NormalsFollowTheNormalDistribution) {
  const std::size_t n = 200000;
  std::vector<double> values(n);
  Noise({.seed = 7}).normal(11, 0, values);
  const double distance = kolmogorov_smirnov(values, normal_distribution);
  EXPECT_LT(distance * std::sqrt(static_cast<double>(n)), kCritical);
}

// As a model draws them: a short vector for each of many samples.
TEST(Noise, NormalsOfManySamplesFollowTheNormalDistribution) {
  const Noise noise({.seed = 8, .epoch = 3});
  std::vector<double> values;
  std::vector<double> z(20);
  for (std::uint64_t index = 0; index < 10000; ++index) {
    noise.normal(index, 1, z);
    values.insert(values.end(), z.begin(), z.end());
  }
  const double distance = kolmogorov_smirnov(values, normal_distribution);
  EXPECT_LT(distance * std::sqrt(static_cast<double>(values.size())), kCritical);
}

// Moments of n = 10^6 standard normals lie within 4 standard errors (probability 6e-5 each of not
// doing so): sqrt(1/n), sqrt(2/n), sqrt(15/n) and sqrt(96/n) for the first four raw moments.
TEST(Noise, NormalsHaveTheirMoments) {
  const std::size_t n = 1000000;
  std::vector<double> values(n);
  Noise({.seed = 9}).normal(0, 0, values);
  double moments[4] = {0, 0, 0, 0};
  for (const double value : values) {
    double power = 1;
    for (double& moment : moments) moment += (power *= value) / static_cast<double>(n);
  }
  EXPECT_NEAR(moments[0], 0.0, 4 * std::sqrt(1.0 / n));
  EXPECT_NEAR(moments[1], 1.0, 4 * std::sqrt(2.0 / n));
  EXPECT_NEAR(moments[2], 0.0, 4 * std::sqrt(15.0 / n));
  EXPECT_NEAR(moments[3], 3.0, 4 * std::sqrt(96.0 / n));
}

TEST(Noise, UniformsFollowTheUniformDistribution) {
  const std::size_t n = 200000;
  std::vector<double> values(n);
  Noise({.seed = 10}).uniform(0, 0, values);
  const double distance = kolmogorov_smirnov(values, [](double u) { return u; });
  EXPECT_LT(distance * std::sqrt(static_cast<double>(n)), kCritical);
}

// Keys that differ in one thing give streams with no number in common and no correlation: that of
// n = 100,000 pairs of independent normals lies within 4/sqrt(n).
TEST(Noise, DistinctKeysGiveUnrelatedStreams) {
  const NoiseKey base{.seed = 1, .purpose = Purpose::kPosterior, .stage = 0, .epoch = 0};
  std::vector<NoiseKey> keys(6, base);
  keys[1].seed = 2;
  keys[2].seed = std::uint64_t{1} << 32 | 1;
  keys[3].purpose = Purpose::kEvaluation;
  keys[4].stage = 1;
  keys[5].epoch = 1;
  const std::size_t n = 100000;
  std::vector<std::vector<double>> streams;
  for (const auto& key : keys) Noise(key).normal(0, 0, streams.emplace_back(n));
  // And the same key for another sample and another draw.
  Noise(base).normal(1, 0, streams.emplace_back(n));
  Noise(base).normal(0, 1, streams.emplace_back(n));
  for (std::size_t a = 0; a < streams.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      double correlation = 0;
      for (std::size_t i = 0; i < n; ++i) correlation += streams[a][i] * streams[b][i];
      EXPECT_LT(std::abs(correlation / n), 4 / std::sqrt(n)) << a << " and " << b;
      EXPECT_NE(streams[a][0], streams[b][0]);
    }
  }
}

TEST(Noise, NeighboursAreUncorrelated) {
  const std::size_t n = 100000;
  std::vector<double> values(n + 8);
  Noise({.seed = 11}).normal(0, 0, values);
  for (std::size_t lag = 1; lag <= 8; ++lag) {
    double correlation = 0;
    for (std::size_t i = 0; i < n; ++i) correlation += values[i] * values[i + lag];
    EXPECT_LT(std::abs(correlation / n), 4 / std::sqrt(n)) << "lag " << lag;
  }
}

TEST(Noise, StreamsOfManyKeysDoNotCollide) {
  std::set<Words> seen;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    for (std::uint32_t purpose = 1; purpose <= 8; ++purpose) {
      for (std::uint32_t epoch = 0; epoch < 100; ++epoch) {
        const Noise noise({seed, static_cast<Purpose>(purpose), 0, epoch});
        for (std::uint64_t index = 0; index < 10; ++index) seen.insert(noise.words(index, 0, 0));
      }
    }
  }
  EXPECT_EQ(seen.size(), 4U * 8 * 100 * 10);
}

}  // namespace
}  // namespace elbow
