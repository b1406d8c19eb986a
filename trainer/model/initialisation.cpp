#include "trainer/model/initialisation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "trainer/model/keyed_noise.h"
#include "trainer/model/network.h"

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

// The beginnings of the names of all parameters that come with their values.
std::vector<std::string> given_prefixes(const torch::nn::Module& module) {
  const auto is_given = [](const torch::nn::Module& part) {
    const auto* network = dynamic_cast<const Network*>(&part);
    return network != nullptr && network->is_initialised();
  };
  std::vector<std::string> prefixes;
  if (is_given(module)) prefixes.emplace_back("");
  for (const auto& part : module.named_modules(std::string(), /*include_self=*/false)) {
    if (is_given(*part.value())) prefixes.push_back(part.key() + ".");
  }
  return prefixes;
}

}  // namespace

void initialise(torch::nn::Module& module, std::uint64_t seed) {
  torch::NoGradGuard no_grad;
  const auto parameters = module.named_parameters();
  const auto given = given_prefixes(module);
  const NoiseKey key{seed, Purpose::kInitialisation, 0, 0};
  for (std::size_t ordinal = 0; ordinal < parameters.size(); ++ordinal) {
    const auto& item = parameters[ordinal];
    const torch::Tensor weight = weight_of(item.key(), parameters);
    const bool is_given = std::any_of(given.begin(), given.end(), [&](const std::string& prefix) {
      return item.key().starts_with(prefix);
    });
    if (!weight.defined() || is_given) continue;
    const double fan_in = static_cast<double>(weight.numel() / weight.size(0));
    const double bound = 1.0 / std::sqrt(fan_in);
    const std::array<std::int64_t, 1> index = {static_cast<std::int64_t>(ordinal)};
    const auto uniform = uniform_noise(key, index, 0, item.value().sizes(), torch::kDouble);
    torch::Tensor value = item.value();
    value.copy_((2.0 * uniform[0] - 1.0) * bound);
  }
}

}  // namespace elbow
