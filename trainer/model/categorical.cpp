#include "trainer/model/categorical.h"

#include <cmath>

#include "base/error.h"

namespace elbow {
namespace {

// function([B, K]) of each variable's columns, side by side again.
template <typename Function>
torch::Tensor for_each_variable(const torch::Tensor& columns_BD,
                                const std::vector<std::int64_t>& counts, const Function& function) {
  std::vector<torch::Tensor> results;
  for (const auto& columns : columns_BD.split_with_sizes(counts, 1)) {
    results.push_back(function(columns));
  }
  return results.size() == 1 ? results.front() : torch::cat(results, 1);
}

torch::Tensor log_softmax(const torch::Tensor& logits) { return torch::log_softmax(logits, 1); }

torch::Tensor one_hot_of_largest(const torch::Tensor& columns) {
  return torch::zeros_like(columns).scatter_(1, columns.argmax(1, true), 1.0);
}

std::int64_t joint_values(const std::vector<std::int64_t>& counts) {
  std::int64_t product = 1;
  for (const auto count : counts) {
    product *= count;
    if (product > Categorical::kMostValues) return 0;
  }
  return product;
}

}  // namespace

Categorical::Categorical(const torch::Tensor& logits_BD, std::vector<std::int64_t> counts,
                         double temperature)
    : log_probability_(for_each_variable(logits_BD, counts, log_softmax)),
      counts_(std::move(counts)),
      temperature_(temperature),
      values_(joint_values(counts_)) {}

torch::Tensor Categorical::noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                                 std::uint32_t draw) const {
  return uniform_noise(key, indices, draw, {log_probability_.size(1)},
                       log_probability_.scalar_type())
      .to(log_probability_.device());
}

// Logarithms of probabilities are logits up to a constant of each variable, which changes nothing.
torch::Tensor Categorical::perturbed(const torch::Tensor& noise_BD) const {
  return log_probability_ - (-noise_BD.log()).log();
}

torch::Tensor Categorical::draw(const torch::Tensor& noise_BD) const {
  return for_each_variable(perturbed(noise_BD) / temperature_, counts_,
                           [](const torch::Tensor& logits) { return torch::softmax(logits, 1); });
}

torch::Tensor Categorical::exact_draw(const torch::Tensor& noise_BD) const {
  return for_each_variable(perturbed(noise_BD).detach(), counts_, one_hot_of_largest);
}

torch::Tensor Categorical::log_density(const torch::Tensor& z_BD) const {
  return (z_BD * log_probability_).sum(1);
}

torch::Tensor Categorical::mean() const { return log_probability_.exp(); }

torch::Tensor Categorical::deviation() const {
  return (mean() * -torch::expm1(log_probability_)).sqrt();
}

std::unique_ptr<Posterior> Categorical::detached() const {
  return std::make_unique<Categorical>(log_probability_.detach(), counts_, temperature_);
}

torch::Tensor Categorical::value(std::int64_t k) const {
  if (k < 0 || k >= values_) throw Error(fmt::format("value {} of {}", k, values_));
  torch::Tensor row =
      torch::zeros({log_probability_.size(1)}, log_probability_.options().requires_grad(false));
  std::int64_t offset = row.size(0);
  for (auto count = counts_.rbegin(); count != counts_.rend(); ++count) {
    offset -= *count;
    row[offset + k % *count] = 1.0;
    k /= *count;
  }
  return row.expand_as(log_probability_);
}

torch::Tensor Categorical::kl_to_uniform() const {
  return for_each_variable(log_probability_, counts_, [](const torch::Tensor& log_q) {
    const double log_count = std::log(static_cast<double>(log_q.size(1)));
    return (log_q.exp() * (log_q + log_count)).sum(1, true);
  });
}

}  // namespace elbow
