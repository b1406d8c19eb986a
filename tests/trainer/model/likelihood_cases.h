// Likelihoods made from a few options, and the noise keys that tests draw from.
#pragma once

#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <torch/types.h>

#include "trainer/model/likelihood.h"

namespace elbow {

// Of vectors: 8-bit values where the likelihood is over whole values or bits, else raw floats.
inline Observation vectors_for(const LikelihoodOptions& options, std::int64_t variables) {
  if (likelihood_kind(options.likelihood).measure == Measure::kDensity) {
    return {{"raw", "vector"}, {{variables}, ValueType::kFloat32}, options.likelihood};
  }
  return {{"auto", "vector"},
          {{variables}, ValueType::kUint8},
          options.likelihood,
          std::nullopt,
          options.levels};
}

inline std::shared_ptr<Likelihood> likelihood_of(const std::string& name, const std::string& sigma,
                                                 std::int64_t variables = 1,
                                                 std::int64_t levels = 256, double floor = 1e-4) {
  LikelihoodOptions options;
  options.likelihood = name;
  options.sigma = sigma;
  options.sigma_floor = floor;
  options.levels = levels;
  return make_likelihood(options, vectors_for(options, variables));
}

inline std::vector<std::int64_t> indices_below(std::int64_t count) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

// One decoder output for every row of a batch: [count, 1, D].
inline torch::Tensor repeated(const torch::Tensor& centre_D, std::int64_t count) {
  return centre_D.view({1, 1, -1}).expand({count, 1, centre_D.numel()});
}

}  // namespace elbow
