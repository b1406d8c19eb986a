// Small PixelCNNs in double, and all images that they know.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "tests/trainer/model/first_indices.h"
#include "trainer/model/initialisation.h"
#include "trainer/model/pixelcnn.h"

namespace elbow::pixelcnn_cases {

// Of images [C, H, W].
struct PixelCnnCase {
  std::vector<std::int64_t> shape;
  std::string likelihood = "bernoulli";
  std::int64_t levels = 2;
  std::string ordering = "raster";
  std::vector<std::int64_t> widths = {12, 12};
};

inline std::ostream& operator<<(std::ostream& out, const PixelCnnCase& c) {
  return out << torch::IntArrayRef(c.shape) << " " << c.likelihood << " " << c.ordering;
}

inline ModelOptions options_of(const PixelCnnCase& c) {
  ModelOptions options;
  options.kind = "pixelcnn";
  options.likelihood = c.likelihood;
  options.levels = c.levels;
  options.ordering = c.ordering;
  options.widths = c.widths;
  return options;
}

inline Observation observation_of(const PixelCnnCase& c) {
  ObservationOptions options;
  options.layout = "nchw";
  StoredRows rows;
  rows.shape = c.shape;
  rows.white = 1;
  return Observation(options, rows, c.likelihood, std::nullopt, c.levels);
}

// In double, with initial weights times `sharpness`, so that conditionals are far from uniform.
inline std::shared_ptr<PixelCnn> make(const PixelCnnCase& c, double sharpness = 3,
                                      const Conditioning& conditioning = {}) {
  auto model = std::dynamic_pointer_cast<PixelCnn>(
      make_pixelcnn(options_of(c), observation_of(c), conditioning));
  initialise(*model, 5);
  model->to(torch::kDouble);
  torch::NoGradGuard no_grad;
  for (auto& parameter : model->parameters()) parameter.mul_(sharpness);
  return model;
}

inline bool is_levels(const PixelCnnCase& c) { return c.likelihood != "bernoulli"; }

// The greatest value of x.
inline double largest(const PixelCnnCase& c) {
  const auto levels = static_cast<double>(c.levels);
  return is_levels(c) ? (levels - 1) / levels : 1;
}

// Every image there is, [levels^D, C, H, W]; entry i of image n is digit i of n.
inline torch::Tensor all_images(const PixelCnnCase& c) {
  const std::int64_t variables = c10::multiply_integers(c.shape);
  std::int64_t count = 1;
  for (std::int64_t i = 0; i < variables; ++i) count *= c.levels;
  const auto numbers = torch::arange(count);
  std::vector<torch::Tensor> digits;
  std::int64_t power = 1;
  for (std::int64_t i = 0; i < variables; ++i, power *= c.levels) {
    digits.push_back(torch::floor_divide(numbers, power).remainder(c.levels));
  }
  std::vector<std::int64_t> sizes = {count};
  sizes.insert(sizes.end(), c.shape.begin(), c.shape.end());
  const double step = largest(c) / static_cast<double>(c.levels - 1);
  return (torch::stack(digits, 1).to(torch::kDouble) * step).view(sizes);
}

inline torch::Tensor log_probability(PixelCnn& model, const torch::Tensor& x,
                                     const torch::Tensor& c = {}) {
  const auto indices = first_indices(x.size(0));
  return model.terms({x, indices, c}, {}, {}).objective;
}

// Ranks of the variables [C, H, W] in the ordering, flattened.
inline std::vector<std::int64_t> ranks(const PixelCnnCase& c) {
  std::vector<std::int64_t> result;
  for (std::int64_t k = 0; k < c.shape[0]; ++k) {
    for (std::int64_t h = 0; h < c.shape[1]; ++h) {
      for (std::int64_t w = 0; w < c.shape[2]; ++w) {
        const bool raster = c.ordering == "raster";
        const std::int64_t pixel = raster ? h * c.shape[2] + w : w * c.shape[1] + h;
        result.push_back(pixel * c.shape[0] + k);
      }
    }
  }
  return result;
}

}  // namespace elbow::pixelcnn_cases
