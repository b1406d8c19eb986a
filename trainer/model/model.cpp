#include "trainer/model/model.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/cvae.h"
#include "trainer/model/default_widths.h"
#include "trainer/model/glo.h"
#include "trainer/model/initialisation.h"
#include "trainer/model/latent_optimisation.h"
#include "trainer/model/lord.h"
#include "trainer/model/pixelcnn.h"
#include "trainer/model/vae.h"
#include "trainer/model/without_storage.h"

namespace elbow {
namespace {

constexpr int kModelFormat = 2;

enum class Given { kNothing, kCondition, kEither };

struct ProcedureKind {
  std::string name;
  Given given;
  bool codes;                        // there is a z to encode to and to decode from
  bool fits;                         // its likelihood may be fitted in closed form after each epoch
  std::vector<std::int64_t> widths;  // of a network of its own; {}: it has one of model.network
  std::shared_ptr<Procedure> (*make)(const ModelOptions&, const Observation&, const Conditioning&);
};

const std::vector<ProcedureKind>& procedures() {
  static const std::vector<ProcedureKind> kinds = {
      {"vae", Given::kNothing, true, true, {}, make_vae},
      {"cvae", Given::kCondition, true, true, {}, make_cvae},
      {"pixelcnn", Given::kEither, false, false, {32, 32, 32, 32}, make_pixelcnn},
      {"latent-optimisation", Given::kEither, true, false, {}, make_latent_optimisation},
      {"glo", Given::kEither, true, false, {}, make_glo},
      {"lord", Given::kCondition, true, false, {}, make_lord},
  };
  return kinds;
}

const ProcedureKind& find_procedure(const std::string& name) {
  for (const auto& kind : procedures()) {
    if (kind.name == name) return kind;
  }
  throw ConfigError(fmt::format("option model.kind: there is no model '{}'; {}", name,
                                suggestion(name, procedure_names())));
}

std::shared_ptr<Procedure> compose(const ModelOptions& options, const Observation& observation,
                                   const Conditioning& conditioning) {
  if (options.likelihood != observation.likelihood()) {
    throw ConfigError(
        fmt::format("option model.likelihood is '{}', but the data were prepared for '{}'",
                    options.likelihood, observation.likelihood()));
  }
  const ProcedureKind& kind = find_procedure(options.kind);
  if (options.sigma == "optimal" && !kind.fits) {
    throw ConfigError(
        fmt::format("option model.sigma: 'optimal' does not go with model.kind '{}'; give a "
                    "number, or 'learned'",
                    options.kind));
  }
  return kind.make(options, observation, conditioning);
}

}  // namespace

std::vector<std::string> procedure_names() {
  std::vector<std::string> names;
  for (const auto& kind : procedures()) names.push_back(kind.name);
  return names;
}

bool kind_has_codes(const std::string& kind) { return find_procedure(kind).codes; }

std::vector<std::int64_t> default_widths(const std::string& kind, const std::string& network) {
  const ProcedureKind& procedure = find_procedure(kind);
  return procedure.widths.empty() ? network_widths(network) : procedure.widths;
}

std::shared_ptr<Procedure> make_model(const ModelOptions& options, const Observation& observation,
                                      std::uint64_t seed, const Conditioning& conditioning) {
  auto model = compose(options, observation, conditioning);
  initialise(*model, seed);
  return model;
}

std::shared_ptr<Procedure> sketch_model(const ModelOptions& options, const Observation& observation,
                                        const Conditioning& conditioning) {
  const WithoutStorage sizes_alone;
  return compose(options, observation, conditioning);
}

std::string resolved_condition(const ModelOptions& options) {
  const Given given = find_procedure(options.kind).given;
  if (options.condition == "auto") return given == Given::kCondition ? "classes" : "none";
  const Given asked = options.condition == "none" ? Given::kNothing : Given::kCondition;
  if (given != Given::kEither && given != asked) {
    throw ConfigError(fmt::format("option model.condition: '{}' does not go with model.kind '{}'",
                                  options.condition, options.kind));
  }
  return options.condition;
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

nlohmann::ordered_json model_to_json(const ModelFile& model) {
  return {{"format", kModelFormat},
          {"model", to_json(model.options)},
          {"observation", model.observation.to_json()},
          {"conditioning", model.conditioning.to_json()}};
}

ModelFile model_from_json(const nlohmann::ordered_json& json) {
  if (!json.is_object() || !json.contains("format") || json["format"] != kModelFormat) {
    throw CheckpointError(fmt::format(
        "model.json: not of format {}; another version of the program wrote it", kModelFormat));
  }
  for (const char* part : {"model", "observation", "conditioning"}) {
    if (!json.contains(part)) {
      throw CheckpointError(fmt::format("model.json: '{}' is missing", part));
    }
  }
  return {model_options_from_json(json["model"]), Observation::from_json(json["observation"]),
          Conditioning::from_json(json["conditioning"])};
}

}  // namespace elbow
