#include "trainer/model/exported_model.h"

#include <algorithm>

#include "trainer/model/architecture.h"
#include "trainer/model/likelihood.h"
#include "trainer/model/prior.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

// A module itself, or the network that takes its place.
const torch::nn::Module& held(const torch::nn::Module& module) {
  const auto* network = dynamic_cast<const Network*>(&module);
  if (network == nullptr || !network->architecture().is_null()) return module;
  for (const auto& child : module.children()) {
    if (dynamic_cast<const Network*>(child.get()) != nullptr) return held(*child);
  }
  return module;
}

Json part_json(const torch::nn::Module& module) {
  Json json = {{"is", "module"}};
  if (const auto* network = dynamic_cast<const Network*>(&module)) {
    json["is"] = "network";
    const Json how = network->architecture();
    if (!how.is_null()) json.update(how);
  } else if (const auto* prior = dynamic_cast<const Prior*>(&module)) {
    json["is"] = "prior";
    json.update(prior->architecture());
  } else if (const auto* likelihood = dynamic_cast<const Likelihood*>(&module)) {
    json["is"] = "likelihood";
    json.update(likelihood->architecture());
  }
  return json;
}

// What is the same of all variables is told once.
Json numbers_json(const torch::Tensor& values) {
  const auto flat = values.to(torch::kDouble).flatten().contiguous();
  const double* const begin = flat.const_data_ptr<double>();
  const std::vector<double> numbers(begin, begin + flat.numel());
  const bool same = std::all_of(numbers.begin(), numbers.end(),
                                [&](double number) { return number == numbers.front(); });
  return same ? Json(numbers.front()) : Json(numbers);
}

// The formula takes k as it is stored.
std::string formula_of_x(const Observation& observation) {
  const bool bytes = observation.rows().type == ValueType::kUint8;
  switch (observation.values()) {
    case Values::kDithered:
    case Values::kStandardised:
      return bytes ? "(k + u - offset) / scale, u uniform on [0, 1)" : "(k - offset) / scale";
    case Values::kBinaryDynamic:
    case Values::kBinaryFixed:
      return "1 with the probability k / scale, else 0";
    case Values::kBinaryThreshold:
      return "1 where k / scale is at least 1/2, else 0";
    case Values::kRaw:
      break;
  }
  return "k / scale";
}

// Whatever is done to values is linear but for the rounding: two points tell it.
Json observation_json(const Observation& observation) {
  std::vector<std::int64_t> sizes = {1};
  const auto& shape = observation.shape();
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  const auto offset = observation.in_file_units(torch::zeros(sizes, torch::kDouble));
  const auto one = observation.in_file_units(torch::ones(sizes, torch::kDouble));
  const Json known = observation.to_json();
  Json json = {
      {"shape", shape},
      {"stored",
       {{"shape", known["row_shape"]}, {"type", known["type"]}, {"layout", known["layout"]}}},
      {"values", known["values"]},
      {"x", formula_of_x(observation)},
      {"scale", numbers_json(one - offset)},
      {"offset", numbers_json(offset)},
      {"measure", observation.measure_text()}};
  if (likelihood_kind(observation.likelihood()).measure == Measure::kLevels) {
    json["levels"] = observation.levels();
  }
  return json;
}

Json conditioning_json(const Conditioning& conditioning) {
  if (conditioning.size() == 0) return nullptr;
  Json json = {{"entries", conditioning.size()},
               {"c", conditioning.is_classes() ? "1 at the label, a class counted from 0, else 0"
                                               : "(label - mean) / deviation"}};
  json.update(conditioning.to_json());
  return json;
}

}  // namespace

ExportedModel exported_model(const ModelFile& file, const Procedure& procedure) {
  ExportedModel exported;
  Json parts = Json::object();
  for (const auto& child : procedure.named_children()) {
    const torch::nn::Module& module = held(*child.value());
    ExportedPart part{child.key(), {}};
    for (const auto& item : exported_tensors(module)) {
      part.tensors.emplace(item.key(), item.value());
    }
    Json& json = parts[part.name];
    json = part_json(module);
    json["file"] = part.tensors.empty() ? Json() : Json(part.name + ".safetensors");
    if (!part.tensors.empty()) exported.parts.push_back(std::move(part));
  }
  exported.architecture = {{"kind", file.options.kind},
                           {"summary", procedure.summary()},
                           {"parts", std::move(parts)},
                           {"procedure", procedure.architecture()},
                           {"observation", observation_json(file.observation)},
                           {"conditioning", conditioning_json(file.conditioning)}};
  return exported;
}

}  // namespace elbow
