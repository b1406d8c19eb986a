#include "trainer/model/product_posterior.h"

namespace elbow {
namespace {

// Far more draws than are ever made of a sample.
constexpr int kDrawBits = 26;

// function(part, p) side by side.
template <typename Function>
torch::Tensor concatenate(const std::vector<std::unique_ptr<Posterior>>& parts,
                          const Function& function) {
  std::vector<torch::Tensor> results;
  for (std::size_t p = 0; p < parts.size(); ++p) results.push_back(function(*parts[p], p));
  return torch::cat(results, 1);
}

}  // namespace

std::uint32_t draw_of_part(std::uint32_t draw, std::size_t part) {
  return draw + (static_cast<std::uint32_t>(part) << kDrawBits);
}

ProductPosterior::ProductPosterior(std::vector<std::unique_ptr<Posterior>> parts)
    : parts_(std::move(parts)) {
  for (const auto& part : parts_) widths_.push_back(part->mean().size(1));
}

std::vector<torch::Tensor> ProductPosterior::split(const torch::Tensor& columns_BD) const {
  return columns_BD.split_with_sizes(widths_, 1);
}

torch::Tensor ProductPosterior::noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                                      std::uint32_t draw) const {
  return concatenate(parts_, [&](const Posterior& part, std::size_t p) {
    return part.noise(key, indices, draw_of_part(draw, p));
  });
}

torch::Tensor ProductPosterior::draw(const torch::Tensor& noise_BD) const {
  const auto noise = split(noise_BD);
  return concatenate(parts_,
                     [&](const Posterior& part, std::size_t p) { return part.draw(noise[p]); });
}

bool ProductPosterior::is_relaxed() const {
  for (const auto& part : parts_) {
    if (part->is_relaxed()) return true;
  }
  return false;
}

torch::Tensor ProductPosterior::exact_draw(const torch::Tensor& noise_BD) const {
  const auto noise = split(noise_BD);
  return concatenate(
      parts_, [&](const Posterior& part, std::size_t p) { return part.exact_draw(noise[p]); });
}

torch::Tensor ProductPosterior::log_density(const torch::Tensor& z_BD) const {
  const auto z = split(z_BD);
  torch::Tensor sum = parts_[0]->log_density(z[0]);
  for (std::size_t p = 1; p < parts_.size(); ++p) sum = sum + parts_[p]->log_density(z[p]);
  return sum;
}

torch::Tensor ProductPosterior::mean() const {
  return concatenate(parts_, [](const Posterior& part, std::size_t) { return part.mean(); });
}

torch::Tensor ProductPosterior::deviation() const {
  return concatenate(parts_, [](const Posterior& part, std::size_t) { return part.deviation(); });
}

std::unique_ptr<Posterior> ProductPosterior::detached() const {
  std::vector<std::unique_ptr<Posterior>> parts;
  for (const auto& part : parts_) parts.push_back(part->detached());
  return std::make_unique<ProductPosterior>(std::move(parts));
}

}  // namespace elbow
