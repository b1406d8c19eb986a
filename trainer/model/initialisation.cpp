#include "trainer/model/initialisation.h"

#include <array>
#include <cmath>
#include <string>

#include "trainer/model/keyed_noise.h"

namespace elbow {
namespace {

// The parameter's own weight, or the weight of the layer that a bias belongs to; undefined for
// parameters that are neither.
torch::Tensor weight_of(const std::string& name,
                        const torch::OrderedDict<std::string, torch::Tensor>& parameters) {
  const auto dot = name.rfind('.');
  const std::string last = dot == std::string::npos ? name : name.substr(dot + 1);
  if (last != "weight" && last != "bias") return {};
  const auto* weight = parameters.find(name.substr(0, name.size() - last.size()) + "weight");
  return weight != nullptr && weight->dim() >= 2 ? *weight : torch::Tensor();
}

}  // namespace

void initialise(torch::nn::Module& module, std::uint64_t seed) {
  torch::NoGradGuard no_grad;
  const auto parameters = module.named_parameters();
  const NoiseKey key{seed, Purpose::kInitialisation, 0, 0};
  for (std::size_t ordinal = 0; ordinal < parameters.size(); ++ordinal) {
    const auto& item = parameters[ordinal];
    const torch::Tensor weight = weight_of(item.key(), parameters);
    if (!weight.defined()) continue;
    const double fan_in = static_cast<double>(weight.numel() / weight.size(0));
    const double bound = 1.0 / std::sqrt(fan_in);
    const std::array<std::int64_t, 1> index = {static_cast<std::int64_t>(ordinal)};
    const auto uniform = uniform_noise(key, index, 0, item.value().sizes(), torch::kDouble);
    torch::Tensor value = item.value();
    value.copy_((2.0 * uniform[0] - 1.0) * bound);
  }
}

}  // namespace elbow
