// A product of posteriors over consecutive ranges of z.
#pragma once

#include <memory>
#include <vector>

#include "trainer/model/posterior.h"

namespace elbow {

// Part p draws with numbers of its own: those of part 0 are the draws as given.
std::uint32_t draw_of_part(std::uint32_t draw, std::size_t part);
inline constexpr std::size_t kMostParts = 64;

class ProductPosterior : public Posterior {
 public:
  explicit ProductPosterior(std::vector<std::unique_ptr<Posterior>> parts);

  const Posterior& part(std::size_t p) const { return *parts_.at(p); }
  std::size_t size() const { return parts_.size(); }

  torch::Tensor noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                      std::uint32_t draw) const override;
  torch::Tensor draw(const torch::Tensor& noise_BD) const override;
  bool is_relaxed() const override;  // where any part is
  torch::Tensor exact_draw(const torch::Tensor& noise_BD) const override;
  torch::Tensor log_density(const torch::Tensor& z_BD) const override;
  torch::Tensor mean() const override;
  torch::Tensor deviation() const override;
  std::unique_ptr<Posterior> detached() const override;

 private:
  std::vector<torch::Tensor> split(const torch::Tensor& columns_BD) const;

  std::vector<std::unique_ptr<Posterior>> parts_;
  std::vector<std::int64_t> widths_;  // of z, and of the noise
};

}  // namespace elbow
