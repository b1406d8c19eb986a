// Keyed noise as tensors: row b of every result belongs to (indices[b], draw) and to nothing else,
// so that it does not matter in which batch, shard or rank a sample is computed.
#pragma once

#include <cstdint>
#include <span>

#include <torch/types.h>

#include "base/noise.h"

namespace elbow {

// Where in a run a random number is drawn; the purpose completes it to a key.
struct RunNoise {
  std::uint64_t seed = 1;
  std::uint32_t stage = 0;
  std::uint32_t epoch = 0;  // kEvaluationEpoch in evaluation

  NoiseKey key(Purpose purpose) const { return {seed, purpose, stage, epoch}; }
};

// Each returns a new contiguous tensor [B, shape...] in host memory, B = indices.size(), aligned to
// 64 bytes. `type` is kFloat or kDouble. Safe from any thread.

// Standard normal.
torch::Tensor normal_noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                           std::uint32_t draw, at::IntArrayRef shape, at::ScalarType type);

// Uniform on (0, 1), never an end point.
torch::Tensor uniform_noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                            std::uint32_t draw, at::IntArrayRef shape, at::ScalarType type);

// Uniform on [0, 1) in steps of 2^-16, kFloat: the noise that 8-bit values are dithered with.
torch::Tensor dither_noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                           std::uint32_t draw, at::IntArrayRef shape);

}  // namespace elbow
