// From the values in a file to x, the variable the model is about, and the measure in which its
// likelihood is given. A density and a probability are not comparable, so every figure says which
// it is; where neither can be claimed, the reason is given instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include "base/options.h"
#include "data/batch.h"
#include "data/statistics.h"
#include "trainer/model/keyed_noise.h"
#include "trainer/model/stored_rows.h"

namespace elbow {

// What a likelihood is over: real numbers, pixels that are 0 or 1, or whole 8-bit values. A density
// and a probability are not comparable.
enum class Measure { kDensity, kBinary, kLevels };

// What is done to stored values, v being the value in the units that figures are reported in:
// v = (k + u)/256 for an 8-bit value k, else the file's own number.
enum class Values {
  kDithered,         // x = v with keyed uniform u, anew each epoch, fixed in evaluation
  kBinaryDynamic,    // x = 1 with probability k/white (or v), drawn anew each epoch
  kBinaryFixed,      // the same, drawn once
  kBinaryThreshold,  // x = 1 where k/white (or v) is at least 1/2
  kStandardised,     // x = (v - mean)/deviation, variable by variable; 8-bit values are dithered
  kRaw,              // x = v with u = 0; k/white where pixels are meant to be Bernoulli, k/levels
                     // where a likelihood is over whole values
};

// How the axes behind the first are meant: images with their channels first or last, numbers
// without a neighbourhood, signals [L] or [C, L], volumes [D, H, W] of one channel.
enum class Layout { kNchw, kNhwc, kVector, kSignal, kVolume };

struct ObservationOptions {
  std::string values = "auto";
  std::string layout = "auto";
};

void declare(OptionTable& table, ObservationOptions& options);

// Immutable, and safe from any thread.
class Observation {
 public:
  // Resolves 'auto' and refuses what cannot be meant (ConfigError). `likelihood` is a name from the
  // registry. `statistics` are needed where needs_statistics() says so and ignored elsewhere;
  // `levels`, 2 to 256, is how many values a likelihood over whole values knows: 0 ... levels - 1.
  Observation(const ObservationOptions& options, StoredRows rows, const std::string& likelihood,
              std::optional<VariableStatistics> statistics = std::nullopt,
              std::int64_t levels = 256);

  static bool needs_statistics(const ObservationOptions& options, const StoredRows& rows,
                               const std::string& likelihood);

  // All rows of the batch as float [B, shape()...], contiguous. Throws DataError naming the sample
  // for a value that cannot be a probability where one is needed, or is none of the levels.
  torch::Tensor x(const Batch& batch, const RunNoise& noise) const;

  const std::vector<std::int64_t>& shape() const { return shape_; }  // [C, sides...] or [D]
  std::int64_t variables() const;                                    // D, their product
  Values values() const { return values_; }
  Layout layout() const { return layout_; }
  const StoredRows& rows() const { return rows_; }
  const std::string& likelihood() const { return likelihood_; }
  std::int64_t levels() const { return levels_; }  // of x = k/levels; 256 unless over whole values

  // x [B, shape()...] in the units and axes of the file: [B, rows().shape...]. 8-bit values come
  // back on the scale k + u (without dither: k), as float.
  torch::Tensor in_file_units(const torch::Tensor& x) const;

  // x [B, shape()...] for a picture, on [0, 1], same shape. 8-bit and binary values fill the range;
  // standardised floats are brought back to the file's units and mapped from the range [smallest
  // mean - 2 deviations, largest mean + 2 deviations] over the variables; raw floats are clipped.
  torch::Tensor display(const torch::Tensor& x) const;

  // A typical deviation of a variable of x; a scale to begin learning from.
  double typical_deviation() const;

  // log |dx/dv| of one sample: add it to log p(x) for log p(v). Zero unless standardised.
  double log_jacobian() const { return log_jacobian_; }

  // "density of x = (k + u)/256 on [0,1)", "probability of 8-bit values", ...
  std::string measure_text() const;

  // Bits per variable from a mean log p in nats (Jacobian included). Densities over dithered 8-bit
  // values: 8 - log2 p / D; probabilities: -log2 P / D; none for data continuous to begin with and
  // where no likelihood may be claimed.
  std::optional<double> bits_per_dim(double mean_log_p) const;

  // Why no likelihood may be claimed, or "" where it may.
  std::string no_likelihood_reason() const;

  // For the run's model.json. from_json throws CheckpointError naming what is wrong with it.
  nlohmann::ordered_json to_json() const;
  static Observation from_json(const nlohmann::ordered_json& json);

 private:
  void fill_row(const Batch& batch, std::int64_t row, const RunNoise& noise, float* out) const;
  void set_statistics(const VariableStatistics& statistics);
  bool is_dithered() const;
  double white() const;
  torch::Tensor from_file_axes(const torch::Tensor& rows) const;
  torch::Tensor per_variable(const std::vector<double>& values, const torch::Tensor& like) const;

  StoredRows rows_;
  std::string likelihood_;
  Measure measure_ = Measure::kDensity;
  std::int64_t levels_ = 256;
  Values values_ = Values::kRaw;
  Layout layout_ = Layout::kVector;
  std::vector<std::int64_t> shape_;
  VariableStatistics statistics_;  // as given, in the units of the file; empty unless standardised
  std::vector<double> mean_;       // of v, [row elements] in the order of the file
  std::vector<double> deviation_;  // of v
  double log_jacobian_ = 0;
};

}  // namespace elbow
