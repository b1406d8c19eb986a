#include "trainer/model/procedure.h"

#include <nlohmann/json.hpp>

namespace elbow {

torch::Tensor Procedure::reconstruct(const Shard& shard) {
  return decode(encode(shard).mean, condition(shard));
}

std::vector<torch::Tensor> Terms::row() const {
  std::vector<torch::Tensor> figures = {objective, elbo, reconstruction, kl};
  figures.insert(figures.end(), own.begin(), own.end());
  return figures;
}

std::vector<FigureKind> Procedure::training_figures() const {
  return {{"objective", "objective", "nats"},
          {"elbo", "ELBO", "nats"},
          {"reconstruction", "reconstruction", "nats"},
          {"kl", "KL", "nats", true}};
}

nlohmann::ordered_json Procedure::architecture() const { return nlohmann::ordered_json::object(); }

std::vector<LayerDescription> Procedure::layers() const {
  std::vector<LayerDescription> all;
  for (const auto& part : named_children()) {
    if (const auto* network = dynamic_cast<const Network*>(part.value().get())) {
      for (auto layer : network->layers()) {
        layer.name = part.key() + "." + layer.name;
        all.push_back(std::move(layer));
      }
      continue;
    }
    for (const auto& item : part.value()->named_parameters()) {
      const auto sizes = item.value().sizes();
      all.push_back({part.key(), item.key(), {sizes.begin(), sizes.end()}, item.value().numel()});
    }
  }
  return all;
}

}  // namespace elbow
