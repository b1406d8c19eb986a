#include "trainer/model/model.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/initialisation.h"
#include "trainer/model/vae.h"

namespace elbow {
namespace {

constexpr int kModelFormat = 1;

struct Kind {
  std::string name;
  std::shared_ptr<Procedure> (*make)(const ModelOptions&, const Observation&);
};

const std::vector<Kind>& registry() {
  static const std::vector<Kind> kinds = {
      {"vae", make_vae},
  };
  return kinds;
}

}  // namespace

std::vector<std::string> procedure_names() {
  std::vector<std::string> names;
  for (const auto& kind : registry()) names.push_back(kind.name);
  return names;
}

std::shared_ptr<Procedure> make_model(const ModelOptions& options, const Observation& observation,
                                      std::uint64_t seed) {
  if (options.likelihood != observation.likelihood()) {
    throw ConfigError(
        fmt::format("option model.likelihood is '{}', but the data were prepared for '{}'",
                    options.likelihood, observation.likelihood()));
  }
  for (const auto& kind : registry()) {
    if (kind.name != options.kind) continue;
    auto model = kind.make(options, observation);
    initialise(*model, seed);
    return model;
  }
  throw ConfigError(fmt::format("option model.kind: there is no model '{}'; {}", options.kind,
                                suggestion(options.kind, procedure_names())));
}

ModelDescription describe(const Procedure& model) {
  ModelDescription description;
  description.summary = model.summary();
  description.layers = model.layers();
  for (const auto& parameter : model.parameters()) {
    description.parameters += parameter.numel();
    description.bytes += static_cast<std::int64_t>(parameter.nbytes());
  }
  return description;
}

std::string to_text(const ModelDescription& description) {
  std::size_t name_width = 0;
  std::size_t what_width = 0;
  for (const auto& layer : description.layers) {
    name_width = std::max(name_width, layer.name.size());
    what_width = std::max(what_width, layer.what.size());
  }
  std::string text = description.summary + "\n";
  for (const auto& layer : description.layers) {
    text += fmt::format("  {:<{}}  {:<{}}  {:<16}{:>14}\n", layer.name, name_width, layer.what,
                        what_width, shape_text(layer.output), human_count(layer.parameters));
  }
  text += fmt::format("{} parameters, {}\n", human_count(description.parameters),
                      human_bytes(static_cast<double>(description.bytes)));
  return text;
}

nlohmann::ordered_json model_to_json(const ModelOptions& options, const Observation& observation) {
  return {{"format", kModelFormat},
          {"model", to_json(options)},
          {"observation", observation.to_json()}};
}

ModelFile model_from_json(const nlohmann::ordered_json& json) {
  if (!json.is_object() || !json.contains("format") || json["format"] != kModelFormat) {
    throw CheckpointError(fmt::format(
        "model.json: not of format {}; another version of the program wrote it", kModelFormat));
  }
  if (!json.contains("model") || !json.contains("observation")) {
    throw CheckpointError("model.json: 'model' or 'observation' is missing");
  }
  return {model_options_from_json(json["model"]), Observation::from_json(json["observation"])};
}

}  // namespace elbow
