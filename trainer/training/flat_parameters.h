// All parameters of a model in one buffer, and their gradients in another: one all-reduce sums
// them, one kernel updates them.
#pragma once

#include <string>
#include <vector>

#include <torch/nn/module.h>

namespace elbow {

// Moves the module's parameters into flat storage; they and their gradients become views of it,
// under their own names and shapes. Each view starts at a multiple of 64 bytes, since matrix
// products are only then bit-stable; the padding between stays zero. Parameters of two axes or more
// come first, the others (biases, deviations) behind them.
class FlatParameters {
 public:
  struct Entry {
    std::string name;  // "encoder.0.weight"
    std::int64_t offset = 0;
    torch::Tensor value;  // a view
  };

  // All parameters must have one type and be on one device.
  explicit FlatParameters(torch::nn::Module& module);

  torch::Tensor& values() { return values_; }      // [P], padding included
  torch::Tensor& gradient() { return gradient_; }  // [P]
  const std::vector<Entry>& entries() const { return entries_; }
  // Where the parameters of two axes or more end in the storage.
  std::int64_t matrices_end() const { return matrices_end_; }

  // The part of `flat`, a tensor laid out like values(), that belongs to an entry, in its shape.
  static torch::Tensor view(const torch::Tensor& flat, const Entry& entry) {
    return flat.narrow(0, entry.offset, entry.value.numel()).view(entry.value.sizes());
  }

 private:
  torch::Tensor values_;
  torch::Tensor gradient_;
  std::vector<Entry> entries_;
  std::int64_t matrices_end_ = 0;
};

}  // namespace elbow
