// Importance-sampled log p(x) of a block of samples, a draw at a time: memory does not grow with
// the number of draws.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace elbow {

// With log-weights log w_k = log p(x, z_k) - log q(z_k | x), in double throughout.
class ImportanceWeights {
 public:
  explicit ImportanceWeights(std::size_t count);

  // One draw of the block: log_weights [count], nats. Minus infinity is a weight of zero; a NaN
  // makes its sample's results NaN.
  void add(std::span<const double> log_weights);

  std::int64_t draws() const { return draws_; }

  // [count] each. log p^ = logsumexp_k log w_k - log K: biased low, by about half its variance.
  std::vector<double> log_likelihood() const;
  // (sum w)^2 / sum w^2, between 1 and K (Kong 1992).
  std::vector<double> effective_sample_size() const;
  // The variance of log p^ by the delta method: 1/ESS - 1/K, nats^2. Zero for K = 1, where nothing
  // is known.
  std::vector<double> log_likelihood_variance() const;

 private:
  struct Sum {
    double largest;      // log-weight
    double weights = 0;  // sum of w / exp(largest)
    double squares = 0;  // sum of their squares
  };
  std::vector<Sum> sums_;
  std::int64_t draws_ = 0;
};

}  // namespace elbow
