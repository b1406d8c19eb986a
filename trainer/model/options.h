// Which parts a model is composed of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/options.h"

namespace elbow {

struct ModelOptions {
  std::string kind = "vae";
  std::int64_t latent = 20;
  std::string prior = "gaussian";
  std::vector<std::int64_t> categories = {10};
  double temperature = 0.5;
  std::int64_t components = 50;
  std::vector<std::string> factors = {};
  std::string likelihood = "gaussian";
  std::string sigma = "learned";  // or "per-dimension", "optimal", a number
  double sigma_floor = 1e-4;
  std::int64_t levels = 256;
  std::string network = "mlp";
  std::vector<std::int64_t> widths = {400};
  std::int64_t blocks = 1;  // of a residual network, a stage
  std::int64_t depth = 4;   // of a transformer, and the next two
  std::int64_t heads = 4;
  std::int64_t patch = 4;
  std::string encoder = "";       // TorchScript files of a user
  std::string decoder = "";       // never read from a model.json, which holds what follows instead:
  std::string encoder_hash = "";  // base/hash.h of the file's content; not an option
  std::string decoder_hash = "";
  std::string ordering = "raster";  // of a pixelcnn: or columns
  std::string activation = "relu";
  std::string condition = "auto";  // none, classes, values
  std::string sphere = "ball";     // or sphere: where glo's codes live
  std::int64_t class_code = 256;   // of lord, and the next two
  double noise = 1.0;
  double distillation = 1.0;
  std::int64_t fit_steps = 200;  // of a q that is fitted to a sample
  double fit_rate = 0.1;
};

void declare(OptionTable& table, ModelOptions& options);

// For the run's model.json. model_options_from_json throws CheckpointError naming what is wrong
// with it: unknown, missing or impossible values.
nlohmann::ordered_json to_json(const ModelOptions& options);
ModelOptions model_options_from_json(const nlohmann::ordered_json& json);

}  // namespace elbow
