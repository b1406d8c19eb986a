// Batches with known values.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include <torch/types.h>

#include "data/batch.h"

namespace elbow {

// 8-bit values that depend on the sample's index and the element.
inline Batch byte_batch(std::vector<std::int64_t> indices, std::vector<std::int64_t> shape) {
  Batch batch;
  batch.indices = std::move(indices);
  batch.shape = std::move(shape);
  const std::int64_t width = c10::multiply_integers(batch.shape);
  for (const auto index : batch.indices) {
    for (std::int64_t i = 0; i < width; ++i) {
      batch.values.push_back(static_cast<std::byte>((37 * index + 11 * i + i * i) % 256));
    }
  }
  return batch;
}

inline Batch float_batch(std::vector<std::int64_t> indices, std::vector<std::int64_t> shape,
                         const std::vector<float>& values) {
  Batch batch;
  batch.indices = std::move(indices);
  batch.shape = std::move(shape);
  batch.type = ValueType::kFloat32;
  batch.values.resize(values.size() * sizeof(float));
  std::memcpy(batch.values.data(), values.data(), batch.values.size());
  return batch;
}

// All values of an 8-bit batch in the order of the file, as float [count * row elements].
inline torch::Tensor bytes_of(const Batch& batch) {
  torch::Tensor values = torch::empty({static_cast<std::int64_t>(batch.values.size())});
  for (std::size_t i = 0; i < batch.values.size(); ++i) {
    values[static_cast<std::int64_t>(i)] = std::to_integer<int>(batch.values[i]);
  }
  return values;
}

}  // namespace elbow
