#include "trainer/model/options.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/model.h"
#include "trainer/model/most_units.h"
#include "trainer/model/pixelcnn.h"

namespace elbow {
namespace {

void declare(OptionTable& table, PixelCnnOptions& options) {
  table.add(
      "model.ordering", &options.ordering,
      "pixelcnn: which pixels come before which; raster: row by row, columns: column by column",
      one_of(ordering_names()));
}

void declare(OptionTable& table, GloOptions& options) {
  table.add("model.sphere", &options.sphere,
            "glo: where codes live, in the unit ball (as in the paper) or on the unit sphere",
            one_of({"ball", "sphere"}));
}

void declare(OptionTable& table, LordOptions& options) {
  table.add("model.class_code", &options.class_code,
            "lord: how many numbers stand for a class; model.latent says how many for the content "
            "of a sample",
            between(1, kMostUnits));
  table.add("model.noise", &options.noise,
            "lord: deviation of the noise that is added to a content in training",
            between(1e-3, 1e3));
  table.add("model.distillation", &options.distillation,
            "lord: weight of the codes of stage 1 beside the reconstruction, when encoders learn "
            "them in stage 2",
            between(0, 1e9));
}

void declare(OptionTable& table, FitOptions& options) {
  table.add(
      "model.fit_steps", &options.fit_steps,
      "latent-optimisation and glo: the most steps in which the code of a sample that was not "
      "trained on is fitted",
      between(1, 1e6));
  table.add("model.fit_rate", &options.fit_rate, "the learning rate of that fit, at first",
            between(1e-6, 1));
}

void declare_parts(OptionTable& table, ModelOptions& options) {
  table.add("model.kind", &options.kind,
            "what is trained; vae: an encoder proposes codes z for an image x, a decoder turns "
            "codes into images",
            one_of(procedure_names()));
  declare(table, static_cast<PriorOptions&>(options));
  declare(table, static_cast<LikelihoodOptions&>(options));
  declare_architecture(table, options);
  declare(table, static_cast<PixelCnnOptions&>(options));
  table.add(
      "model.condition", &options.condition,
      "what the model is given beside z. classes: the labels of data.labels are whole numbers "
      "0, 1, 2 ..., one a sample; values: they are numbers, one or more a sample; none. auto: "
      "classes for a model that needs a condition, else none",
      one_of({"auto", "none", "classes", "values"}));
  declare(table, static_cast<GloOptions&>(options));
  declare(table, static_cast<LordOptions&>(options));
  declare(table, static_cast<FitOptions&>(options));
}

// What a model.json holds: in place of a user's networks, which network each is.
OptionTable stored_table(ModelOptions& options) {
  OptionTable table;
  declare_parts(table, options);
  declare_hashes(table, options);
  return table;
}

}  // namespace

void declare(OptionTable& table, ModelOptions& options) {
  declare_parts(table, options);
  declare_files(table, options);
}

nlohmann::ordered_json to_json(const ModelOptions& options) {
  ModelOptions stored = options;
  return stored_table(stored).to_json("model");
}

ModelOptions model_options_from_json(const nlohmann::ordered_json& json) {
  ModelOptions options;
  try {
    stored_table(options).apply_saved_json("model", json, "model.json");
  } catch (const ConfigError& error) {
    throw CheckpointError(fmt::format("model.json: {}", error.what()));
  }
  return options;
}

}  // namespace elbow
