#include "trainer/model/options.h"

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/likelihood.h"
#include "trainer/model/model.h"
#include "trainer/model/network.h"
#include "trainer/model/pixelcnn.h"
#include "trainer/model/prior.h"

namespace elbow {
namespace {

// Far above anything useful, and low enough that a file cannot ask for all memory by a slip.
constexpr double kLargestLatent = 65536;
constexpr double kLargestWidth = 65536;
constexpr std::size_t kMostWidths = 64;
constexpr double kMostLayers = 256;
constexpr std::size_t kLongestText = 256;

std::string check_sigma(const std::string& text) {
  if (text == "learned" || text == "per-dimension" || text == "optimal") return "";
  double value = 0;
  if (parse_number(text, value) && value > 0 && value < 1e30) return "";
  return "must be 'learned', 'per-dimension', 'optimal' or a number above 0";
}

std::string as_text(const nlohmann::ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// A value of model.json as the configuration would write it.
std::string option_text(const std::string& name, const nlohmann::ordered_json& value) {
  if (!value.is_array()) return as_text(value);
  if (value.size() > kMostWidths) {
    throw ConfigError(fmt::format("'{}' has {} entries, at most {} are allowed", name, value.size(),
                                  kMostWidths));
  }
  return value.dump();
}

void read_fields(const nlohmann::ordered_json& json, OptionTable& table) {
  if (!json.is_object()) throw ConfigError("'model' is not an object");
  for (const auto& option : table.options()) {
    if (!json.contains(option.name())) {
      throw ConfigError(fmt::format("'{}' is missing", option.name()));
    }
  }
  for (const auto& [name, value] : json.items()) {
    const std::string text = option_text(name, value);
    if (text.size() > kLongestText * kMostWidths) throw ConfigError("a text is too long");
    table.apply_text("model." + name, text, "model.json");
  }
}

// All but what names a file: a model.json names none, since it may be a stranger's.
void declare_architecture(OptionTable& table, ModelOptions& options) {
  table.add("model.kind", &options.kind,
            "what is trained; vae: an encoder proposes codes z for an image x, a decoder turns "
            "codes into images",
            one_of(procedure_names()));
  table.add("model.latent", &options.latent, "how many numbers the code z of an image has",
            between(1, kLargestLatent));
  table.add("model.prior", &options.prior,
            "distribution of codes before an image is seen; gaussian: independent, mean 0, "
            "deviation 1; uniform: on [-1, 1]; categorical: one of finitely many values; product: "
            "of several of these; mixture: of gaussians, learned; vamp: mixture of the encoder's "
            "answers to learned images; conditional: gaussian, learned for each condition",
            one_of(prior_names()));
  table.add("model.categories", &options.categories,
            "prior categorical: how many values each variable has, in place of model.latent, for "
            "example [10, 4]",
            between(2, kLargestLatent));
  table.add("model.temperature", &options.temperature,
            "prior categorical: draws in training are softened by so much where the values are too "
            "many to be summed over; towards 0 they become one-hot and gradients noisy",
            between(0.01, 100));
  table.add("model.components", &options.components,
            "priors mixture and vamp: number of components", between(1, kLargestLatent));
  table.add("model.factors", &options.factors,
            "prior product: a prior and its size each, in place of model.latent, for example "
            "[\"categorical 183\", \"uniform 2\"]");
  table.add("model.likelihood", &options.likelihood,
            "distribution of an image around what the decoder draws; gaussian and laplace for grey "
            "values and measurements, bernoulli for pixels that are black or white, "
            "discretised-logistic and categorical for whole 8-bit values as they are",
            one_of(likelihood_names()));
  table
      .add(
          "model.sigma", &options.sigma,
          "deviation of the likelihood, in units of x: 'learned' (one for all variables), "
          "'per-dimension' (learned, one for each), 'optimal' (gaussian and laplace: computed from "
          "the training set after each epoch) or a number",
          TextCheck(check_sigma))
      .number_allowed = true;
  table.add("model.sigma_floor", &options.sigma_floor,
            "a learned sigma stays above this, so that the likelihood stays bounded",
            between(1e-12, 1e6));
  table.add("model.levels", &options.levels,
            "discretised-logistic and categorical: the data's values are 0 ... levels - 1",
            between(2, 256));
  table.add("model.network", &options.network,
            "mlp: fully connected layers, for any data; convolutional and residual: for images, "
            "signals and volumes; transformer: the same, cut into patches; torchscript: your own, "
            "from the files model.encoder and model.decoder",
            one_of(network_names()));
  table.add("model.widths", &options.widths,
            "hidden layers of the encoder, from the data to the code; the decoder has them the "
            "other way round. mlp: units a layer, [] for a linear model [400]; convolutional: "
            "channels a stage, each stage halves the image [32, 64]; residual: the same [32, 64]; "
            "transformer: the width of its tokens alone [128]; model.kind pixelcnn: features a "
            "layer [32, 32, 32, 32]",
            between(1, kLargestWidth));
  table.add("model.blocks", &options.blocks, "residual: blocks of two convolutions in each stage",
            between(1, kMostLayers));
  table.add("model.depth", &options.depth, "transformer: layers of attention",
            between(1, kMostLayers));
  table.add("model.heads", &options.heads,
            "transformer: heads of attention a layer; they divide the width of a token",
            between(1, kLargestWidth));
  table.add("model.patch", &options.patch,
            "transformer: side of the patches that a sample is cut into, in pixels",
            between(1, kLargestWidth));
  table.add(
      "model.ordering", &options.ordering,
      "pixelcnn: which pixels come before which; raster: row by row, columns: column by column",
      one_of(ordering_names()));
  table.add("model.activation", &options.activation, "function between the layers",
            one_of(activation_names()));
  table.add(
      "model.condition", &options.condition,
      "what the model is given beside z. classes: the labels of data.labels are whole numbers "
      "0, 1, 2 ..., one a sample; values: they are numbers, one or more a sample; none. auto: "
      "classes for a model that needs a condition, else none",
      one_of({"auto", "none", "classes", "values"}));
  table.add("model.sphere", &options.sphere,
            "glo: where codes live, in the unit ball (as in the paper) or on the unit sphere",
            one_of({"ball", "sphere"}));
  table.add("model.class_code", &options.class_code,
            "lord: how many numbers stand for a class; model.latent says how many for the content "
            "of a sample",
            between(1, kLargestLatent));
  table.add("model.noise", &options.noise,
            "lord: deviation of the noise that is added to a content in training",
            between(1e-3, 1e3));
  table.add("model.distillation", &options.distillation,
            "lord: weight of the codes of stage 1 beside the reconstruction, when encoders learn "
            "them in stage 2",
            between(0, 1e9));
  table.add(
      "model.fit_steps", &options.fit_steps,
      "latent-optimisation and glo: the most steps in which the code of a sample that was not "
      "trained on is fitted",
      between(1, 1e6));
  table.add("model.fit_rate", &options.fit_rate, "the learning rate of that fit, at first",
            between(1e-6, 1));
}

}  // namespace

void declare(OptionTable& table, ModelOptions& options) {
  declare_architecture(table, options);
  table
      .add("model.encoder", &options.encoder,
           "torchscript: a file with the encoder, from x (and c) to (mean, log_variance)")
      .may_change = true;
  table
      .add("model.decoder", &options.decoder,
           "torchscript: a file with the decoder, from z (and c) to the likelihood's parameters")
      .may_change = true;
}

nlohmann::ordered_json to_json(const ModelOptions& options) {
  return {{"kind", options.kind},
          {"latent", options.latent},
          {"prior", options.prior},
          {"categories", options.categories},
          {"temperature", options.temperature},
          {"components", options.components},
          {"factors", options.factors},
          {"likelihood", options.likelihood},
          {"sigma", options.sigma},
          {"sigma_floor", options.sigma_floor},
          {"levels", options.levels},
          {"network", options.network},
          {"widths", options.widths},
          {"blocks", options.blocks},
          {"depth", options.depth},
          {"heads", options.heads},
          {"patch", options.patch},
          {"encoder_hash", options.encoder_hash},
          {"decoder_hash", options.decoder_hash},
          {"ordering", options.ordering},
          {"activation", options.activation},
          {"condition", options.condition},
          {"sphere", options.sphere},
          {"class_code", options.class_code},
          {"noise", options.noise},
          {"distillation", options.distillation},
          {"fit_steps", options.fit_steps},
          {"fit_rate", options.fit_rate}};
}

ModelOptions model_options_from_json(const nlohmann::ordered_json& json) {
  ModelOptions options;
  OptionTable table;
  declare_architecture(table, options);
  table.add("model.encoder_hash", &options.encoder_hash, "");
  table.add("model.decoder_hash", &options.decoder_hash, "");
  try {
    read_fields(json, table);
  } catch (const ConfigError& error) {
    throw CheckpointError(fmt::format("model.json: {}", error.what()));
  }
  return options;
}

}  // namespace elbow
