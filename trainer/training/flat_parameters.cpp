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
  for (const auto& parameter : parameters) {
    entries_.push_back({parameter.key(), total, {}});
    total += (parameter.value().numel() + granule - 1) / granule * granule;
  }
  values_ = torch::zeros({total}, options.requires_grad(false));
  gradient_ = torch::zeros_like(values_);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    torch::Tensor parameter = parameters[i].value();
    const std::int64_t count = parameter.numel();
    torch::NoGradGuard no_grad;
    const torch::Tensor view = values_.narrow(0, entry.offset, count).view(parameter.sizes());
    view.copy_(parameter);
    parameter.set_data(view);
    parameter.mutable_grad() = gradient_.narrow(0, entry.offset, count).view(parameter.sizes());
    entry.value = parameter;
  }
}

}  // namespace elbow
