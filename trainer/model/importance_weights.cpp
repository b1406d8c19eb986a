#include "trainer/model/importance_weights.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace elbow {

ImportanceWeights::ImportanceWeights(std::size_t count)
    : sums_(count, Sum{-std::numeric_limits<double>::infinity()}) {}

// The largest log-weight so far is kept out of the sums, which therefore neither overflow nor lose
// the small weights beside a common large factor.
void ImportanceWeights::add(std::span<const double> log_weights) {
  if (log_weights.size() != sums_.size()) {
    throw Error(fmt::format("{} log-weights for a block of {}", log_weights.size(), sums_.size()));
  }
  ++draws_;
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    Sum& sum = sums_[i];
    const double log_weight = log_weights[i];
    if (log_weight == -std::numeric_limits<double>::infinity()) continue;
    if (log_weight <= sum.largest) {
      const double weight = std::exp(log_weight - sum.largest);
      sum.weights += weight;
      sum.squares += weight * weight;
    } else {
      const double scale = std::exp(sum.largest - log_weight);
      sum.weights = sum.weights * scale + 1.0;
      sum.squares = sum.squares * scale * scale + 1.0;
      sum.largest = log_weight;
    }
  }
}

std::vector<double> ImportanceWeights::log_likelihood() const {
  std::vector<double> result;
  for (const Sum& sum : sums_) {
    result.push_back(sum.largest + std::log(sum.weights / static_cast<double>(draws_)));
  }
  return result;
}

std::vector<double> ImportanceWeights::effective_sample_size() const {
  std::vector<double> result;
  for (const Sum& sum : sums_) result.push_back(sum.weights * sum.weights / sum.squares);
  return result;
}

std::vector<double> ImportanceWeights::log_likelihood_variance() const {
  std::vector<double> result = effective_sample_size();
  for (double& value : result) value = 1.0 / value - 1.0 / static_cast<double>(draws_);
  return result;
}

}  // namespace elbow
