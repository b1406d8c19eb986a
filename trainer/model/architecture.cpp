#include "trainer/model/architecture.h"

namespace elbow {

using Json = nlohmann::ordered_json;

Json architecture_json(const std::vector<std::int64_t>& input,
                       const std::vector<std::int64_t>& output, Json steps) {
  return {{"input", input}, {"output", output}, {"steps", std::move(steps)}};
}

Json step_json(const LayerDescription& layer, const torch::nn::Module& network) {
  Json step = {{"name", layer.name}};
  step.update(layer.how);
  step["output"] = layer.output;
  Json tensors = tensor_shapes(network, layer.name + ".");
  if (!tensors.empty()) step["tensors"] = std::move(tensors);
  return step;
}

Json step_json(const std::string& type, const std::vector<std::int64_t>& output) {
  return {{"type", type}, {"output", output}};
}

Json linear_json(std::int64_t inputs, std::int64_t outputs) {
  return {{"type", "linear"}, {"inputs", inputs}, {"outputs", outputs}};
}

Json activation_json(const std::string& function) {
  return {{"type", "activation"}, {"function", function}};
}

Json append_condition_json(std::int64_t entries, std::int64_t axis,
                           const std::vector<std::int64_t>& output) {
  return {{"type", "append_condition"}, {"entries", entries}, {"axis", axis}, {"output", output}};
}

torch::OrderedDict<std::string, torch::Tensor> exported_tensors(const torch::nn::Module& module) {
  torch::OrderedDict<std::string, torch::Tensor> tensors;
  for (const auto& item : module.named_parameters()) {
    tensors.insert(item.key(), item.value().detach());
  }
  for (const auto& item : module.named_buffers()) {
    if (item.value().scalar_type() == torch::kFloat) tensors.insert(item.key(), item.value());
  }
  return tensors;
}

Json tensor_shapes(const torch::nn::Module& module, const std::string& prefix) {
  Json shapes = Json::object();
  for (const auto& item : exported_tensors(module)) {
    if (item.key().starts_with(prefix)) shapes[item.key()] = item.value().sizes().vec();
  }
  return shapes;
}

}  // namespace elbow
