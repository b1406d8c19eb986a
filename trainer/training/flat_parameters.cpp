#include "trainer/training/flat_parameters.h"

#include "base/error.h"

namespace elbow {
namespace {

constexpr std::int64_t kAlignment = 64;  // bytes

}  // namespace

FlatParameters::FlatParameters(torch::nn::Module& module) {
  const auto parameters = module.named_parameters();
  if (parameters.is_empty()) throw Error("the model has no parameters to train");
  const torch::TensorOptions options = parameters[0].value().options();
  const std::int64_t granule =
      kAlignment /
      static_cast<std::int64_t>(torch::elementSize(parameters[0].value().scalar_type()));
  std::int64_t total = 0;
  const auto place = [&](bool matrices) {
    for (const auto& parameter : parameters) {
      if ((parameter.value().dim() >= 2) != matrices) continue;
      entries_.push_back({parameter.key(), total, parameter.value()});
      total += (parameter.value().numel() + granule - 1) / granule * granule;
    }
  };
  place(true);
  matrices_end_ = total;
  place(false);
  values_ = torch::zeros({total}, options.requires_grad(false));
  gradient_ = torch::zeros_like(values_);
  torch::NoGradGuard no_grad;
  for (Entry& entry : entries_) {
    view(values_, entry).copy_(entry.value);
    entry.value.set_data(view(values_, entry));
    entry.value.mutable_grad() = view(gradient_, entry);
  }
}

}  // namespace elbow
