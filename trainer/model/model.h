// From configuration to a model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/model/conditioning.h"
#include "trainer/model/observation.h"
#include "trainer/model/options.h"
#include "trainer/model/procedure.h"

namespace elbow {

std::vector<std::string> procedure_names();

// Whether a kind has a z to encode to and to decode from. Throws ConfigError for one that is not
// registered.
bool kind_has_codes(const std::string& kind);

// What model.condition means for this kind of model: "none", "classes" or "values". Throws
// ConfigError where the kind rules it out.
std::string resolved_condition(const ModelOptions& options);

// With initial parameters from the seed, in float. Throws ConfigError where parts do not go
// together.
std::shared_ptr<Procedure> make_model(const ModelOptions& options, const Observation& observation,
                                      std::uint64_t seed, const Conditioning& conditioning = {});

// The same model in types and shapes alone: but for the likelihood's, its parameters have no
// storage, so that it takes no time and no memory however large it is. For describe(), and the
// names and shapes of its parameters.
std::shared_ptr<Procedure> sketch_model(const ModelOptions& options, const Observation& observation,
                                        const Conditioning& conditioning = {});

struct ModelDescription {
  std::string summary;
  std::vector<LayerDescription> layers;
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;  // of the parameters
};

ModelDescription describe(const Procedure& model);

// A table for a person, a line a layer, each line ended.
std::string to_text(const ModelDescription& description);

// model.json: all that is needed, beside the parameters, to have the model again.
struct ModelFile {
  ModelOptions options;
  Observation observation;
  Conditioning conditioning;
};

nlohmann::ordered_json model_to_json(const ModelFile& model);

// Throws CheckpointError naming what is wrong: the file may be a stranger's.
ModelFile model_from_json(const nlohmann::ordered_json& json);

}  // namespace elbow
