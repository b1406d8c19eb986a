#include "trainer/model/keyed_noise.h"

#include <algorithm>
#include <vector>

#include <ATen/Parallel.h>

#include "base/error.h"

namespace elbow {
namespace {

// Rows are independent, so threads share them without changing a bit.
constexpr std::int64_t kElementsPerThread = 1 << 14;

torch::Tensor rows(std::span<const std::int64_t> indices, at::IntArrayRef shape,
                   at::ScalarType type) {
  std::vector<std::int64_t> sizes = {static_cast<std::int64_t>(indices.size())};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return torch::empty(sizes, type);
}

// fill(index, span over the row) for each row.
template <typename T, typename Fill>
void for_each_row(torch::Tensor& out, std::span<const std::int64_t> indices, const Fill& fill) {
  if (out.numel() == 0 || out.is_meta()) return;
  const std::int64_t width = out.numel() / out.size(0);
  T* const data = out.data_ptr<T>();
  const std::int64_t grain = std::max<std::int64_t>(1, kElementsPerThread / width);
  at::parallel_for(0, out.size(0), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      fill(static_cast<std::uint64_t>(indices[static_cast<std::size_t>(row)]),
           std::span<T>(data + row * width, static_cast<std::size_t>(width)));
    }
  });
}

[[noreturn]] void refuse(at::ScalarType type) {
  throw Error(fmt::format("noise is made as float or double, not as {}", c10::toString(type)));
}

}  // namespace

torch::Tensor normal_noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                           std::uint32_t draw, at::IntArrayRef shape, at::ScalarType type) {
  const Noise noise(key);
  torch::Tensor out = rows(indices, shape, type);
  const auto fill = [&](std::uint64_t index, auto row) { noise.normal(index, draw, row); };
  if (type == torch::kFloat) {
    for_each_row<float>(out, indices, fill);
  } else if (type == torch::kDouble) {
    for_each_row<double>(out, indices, fill);
  } else {
    refuse(type);
  }
  return out;
}

torch::Tensor uniform_noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                            std::uint32_t draw, at::IntArrayRef shape, at::ScalarType type) {
  const Noise noise(key);
  torch::Tensor out = rows(indices, shape, torch::kDouble);
  for_each_row<double>(out, indices, [&](std::uint64_t index, std::span<double> row) {
    noise.uniform(index, draw, row);
  });
  if (type == torch::kDouble) return out;
  if (type != torch::kFloat) refuse(type);
  // The numbers nearest to 1 would be rounded to it.
  constexpr double kLargestBelowOne = 1.0 - 0x1p-24;
  return out.clamp_max_(kLargestBelowOne).to(type);
}

torch::Tensor dither_noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                           std::uint32_t draw, at::IntArrayRef shape) {
  const Noise noise(key);
  torch::Tensor out = rows(indices, shape, torch::kFloat);
  for_each_row<float>(out, indices, [&](std::uint64_t index, std::span<float> row) {
    noise.uniform16(index, draw, row);
  });
  return out;
}

}  // namespace elbow
