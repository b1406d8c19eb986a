// Which parts a model is composed of: each part has its options, a model has those of all.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/options.h"
#include "trainer/model/likelihood_options.h"
#include "trainer/model/network_options.h"
#include "trainer/model/prior_options.h"

namespace elbow {

struct PixelCnnOptions {
  std::string ordering = "raster";  // or columns
};

struct GloOptions {
  std::string sphere = "ball";  // or sphere: where codes live
};

struct LordOptions {
  std::int64_t class_code = 256;
  double noise = 1.0;
  double distillation = 1.0;
};

// How a q is fitted to a sample.
struct FitOptions {
  std::int64_t fit_steps = 200;
  double fit_rate = 0.1;
};

struct ModelOptions : PriorOptions,
                      LikelihoodOptions,
                      NetworkOptions,
                      PixelCnnOptions,
                      GloOptions,
                      LordOptions,
                      FitOptions {
  std::string kind = "vae";
  std::string condition = "auto";  // none, classes, values
};

void declare(OptionTable& table, ModelOptions& options);

// For the run's model.json. model_options_from_json throws CheckpointError naming what is wrong
// with it: unknown, missing or impossible values. What a run is older than to name is as it was
// then (Option::before).
nlohmann::ordered_json to_json(const ModelOptions& options);
ModelOptions model_options_from_json(const nlohmann::ordered_json& json);

}  // namespace elbow
