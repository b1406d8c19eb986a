#include "trainer/model/observation.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include <ATen/Parallel.h>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/likelihood.h"
#include "trainer/model/observation_names.h"

namespace elbow {
namespace {

constexpr std::int64_t kByteLevels = 256;

template <typename Table>
auto parse(const Table& table, const std::string& option, const std::string& text) {
  for (const auto& [value, name] : table) {
    if (text == name) return value;
  }
  throw ConfigError(fmt::format("option {}: there is no '{}'; {}", option, text,
                                suggestion(text, choices(table))));
}

Values resolve_values(const std::string& text, const StoredRows& rows, Measure measure) {
  if (text != "auto") return parse(kValuesNames, "data.values", text);
  if (measure == Measure::kLevels) return Values::kRaw;
  if (measure == Measure::kDensity) {
    return rows.type == ValueType::kUint8 ? Values::kDithered : Values::kStandardised;
  }
  // Data that are {0, 1} already need no random draw.
  const bool grey = rows.type == ValueType::kUint8 && rows.white > 1;
  return grey ? Values::kBinaryDynamic : Values::kBinaryThreshold;
}

bool binary(Values values) {
  return values == Values::kBinaryDynamic || values == Values::kBinaryFixed ||
         values == Values::kBinaryThreshold;
}

void refuse_beside_levels(Values values, const StoredRows& rows, const std::string& likelihood) {
  if (rows.type != ValueType::kUint8) {
    throw ConfigError(fmt::format(
        "option model.likelihood: '{}' is for whole 8-bit values, and these are floating-point "
        "numbers; use 'gaussian' or 'laplace'",
        likelihood));
  }
  if (values == Values::kRaw) return;
  throw ConfigError(fmt::format(
      "option data.values: '{}' does not go with model.likelihood = '{}', which is about whole "
      "8-bit values as they are; use 'raw', or model.likelihood = '{}'",
      name_of(kValuesNames, values), likelihood, binary(values) ? "bernoulli" : "gaussian"));
}

void refuse_impossible(Values values, const StoredRows& rows, const std::string& likelihood,
                       Measure measure) {
  if (measure == Measure::kLevels) return refuse_beside_levels(values, rows, likelihood);
  const bool density = measure == Measure::kDensity;
  const std::string name = name_of(kValuesNames, values);
  if (values == Values::kDithered && rows.type != ValueType::kUint8) {
    throw ConfigError(
        "option data.values: 'dithered' is for 8-bit data, and these are floating-point numbers; "
        "use 'standardised' or 'raw'");
  }
  if (density && binary(values)) {
    throw ConfigError(
        fmt::format("option data.values: '{}' makes every value 0 or 1, which has no density; use "
                    "model.likelihood = 'bernoulli'",
                    name));
  }
  if (!density && (values == Values::kDithered || values == Values::kStandardised)) {
    throw ConfigError(fmt::format(
        "option data.values: '{}' does not go with model.likelihood = '{}', which is about values "
        "that are 0 or 1; use 'binary-dynamic', 'binary-fixed', 'binary-threshold', or 'raw' for "
        "grey values without a likelihood",
        name, likelihood));
  }
}

bool channels(std::int64_t axis) { return axis == 1 || axis == 3 || axis == 4; }

struct FittingAxes {
  std::size_t fewest;
  std::size_t most;
  const char* what;
};

FittingAxes fitting_axes(Layout layout) {
  switch (layout) {
    case Layout::kVector:
      return {1, 3, "numbers"};
    case Layout::kSignal:
      return {1, 2, "signals, of shape [L] or [C, L]"};
    case Layout::kVolume:
      return {3, 3, "volumes of one channel, of shape [D, H, W]"};
    case Layout::kNchw:
    case Layout::kNhwc:
      break;
  }
  return {2, 3, "images"};
}

Layout resolve_layout(const std::string& text, const std::vector<std::int64_t>& shape) {
  if (text == "auto") {
    if (shape.size() == 1) return Layout::kVector;
    if (shape.size() == 2) return Layout::kNchw;
    if (channels(shape[2]) && !channels(shape[0])) return Layout::kNhwc;
    if (channels(shape[0]) && !channels(shape[2])) return Layout::kNchw;
    throw ConfigError(fmt::format(
        "a sample has the shape {}, and it cannot be told which axis holds the channels; set "
        "data.layout to 'nchw', 'nhwc' or 'vector' (or 'volume', of one channel)",
        shape_text(shape)));
  }
  const Layout layout = parse(kLayoutNames, "data.layout", text);
  const auto [fewest, most, what] = fitting_axes(layout);
  if (shape.size() < fewest || shape.size() > most) {
    throw ConfigError(
        fmt::format("option data.layout: '{}' is for {}, and a sample has the shape {}; use {}",
                    text, what, shape_text(shape),
                    shape.size() == 1 ? "'vector' or 'signal'" : "'nchw', 'nhwc' or 'vector'"));
  }
  return layout;
}

// Data without an axis for their one channel get one.
std::vector<std::int64_t> model_shape(Layout layout, const std::vector<std::int64_t>& shape) {
  if (layout == Layout::kVector) return {c10::multiply_integers(shape)};
  if (layout == Layout::kNhwc && shape.size() == 3) return {shape[2], shape[0], shape[1]};
  const std::size_t axes = layout == Layout::kSignal ? 2 : layout == Layout::kVolume ? 4 : 3;
  std::vector<std::int64_t> result = shape;
  if (result.size() < axes) result.insert(result.begin(), 1);
  return result;
}

void check_rows(const StoredRows& rows) {
  const bool positive =
      std::all_of(rows.shape.begin(), rows.shape.end(), [](std::int64_t side) { return side > 0; });
  if (rows.shape.empty() || rows.shape.size() > 3 || !positive) {
    throw ConfigError(fmt::format(
        "a sample has the shape {}; a model needs one to three axes, none of them empty",
        shape_text(rows.shape)));
  }
  if (rows.white < 1 || rows.white > 255) {
    throw Error(fmt::format("the white level {} is not from 1 to 255", rows.white));
  }
}

[[noreturn]] void refuse_level(std::int64_t index, int value, std::int64_t levels) {
  throw DataError(fmt::format(
      "sample {} holds the value {}, but the levels are 0 to {}: set model.levels to at least {}",
      index, value, levels - 1, value + 1));
}

[[noreturn]] void refuse_probability(std::int64_t index, double value) {
  throw DataError(fmt::format(
      "sample {} holds the value {}, but 'binary' and Bernoulli data must lie in [0, 1]; scale the "
      "data, or use model.likelihood = 'gaussian'",
      index, value));
}

}  // namespace

void declare(OptionTable& table, ObservationOptions& options) {
  table.add(
      "data.values", &options.values,
      "what is done to the values of a file. dithered: 8-bit values k become (k + u)/256 with "
      "random u in [0,1); binary-dynamic, binary-fixed: pixels become 0 or 1 at random by "
      "their grey value, anew each epoch or once; binary-threshold: by rounding; standardised: "
      "each variable to mean 0 and deviation 1; raw: nothing. auto: dithered for 8-bit and "
      "standardised for floating-point values, binary-dynamic or binary-threshold for a "
      "bernoulli likelihood, raw for a likelihood over whole 8-bit values",
      one_of(choices(kValuesNames)));
  table.add(
      "data.layout", &options.layout,
      "order of the axes of a sample. nchw: channels, rows, columns; nhwc: rows, columns, "
      "channels; signal: [L], or channels and L; volume: three sides, of one channel; vector: "
      "no neighbourhood; auto: vector, nchw or nhwc by the shape",
      one_of(choices(kLayoutNames)));
}

Observation::Observation(const ObservationOptions& options, StoredRows rows,
                         const std::string& likelihood,
                         std::optional<VariableStatistics> statistics, std::int64_t levels)
    : rows_(std::move(rows)),
      likelihood_(likelihood),
      measure_(likelihood_kind(likelihood).measure) {
  check_rows(rows_);
  if (levels < 2 || levels > kByteLevels) {
    throw ConfigError(fmt::format("option model.levels: {} is not from 2 to 256", levels));
  }
  if (measure_ == Measure::kLevels) levels_ = levels;
  values_ = resolve_values(options.values, rows_, measure_);
  refuse_impossible(values_, rows_, likelihood_, measure_);
  layout_ = resolve_layout(options.layout, rows_.shape);
  shape_ = model_shape(layout_, rows_.shape);
  if (values_ != Values::kStandardised) return;
  if (!statistics) throw Error("standardised values need the statistics of the training set");
  set_statistics(*statistics);
}

bool Observation::needs_statistics(const ObservationOptions& options, const StoredRows& rows,
                                   const std::string& likelihood) {
  return resolve_values(options.values, rows, likelihood_kind(likelihood).measure) ==
         Values::kStandardised;
}

// Dithering adds a mean of 1/2 to an 8-bit value.
void Observation::set_statistics(const VariableStatistics& statistics) {
  const auto count = static_cast<std::size_t>(variables());
  if (statistics.mean.size() != count || statistics.deviation.size() != count) {
    throw Error(
        fmt::format("statistics of {} variables for samples of {}", statistics.mean.size(), count));
  }
  statistics_ = statistics;
  mean_ = statistics.mean;
  deviation_ = statistics.deviation;
  log_jacobian_ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (is_dithered()) {
      mean_[i] = (mean_[i] + 0.5) / kByteLevels;
      deviation_[i] /= kByteLevels;
    }
    log_jacobian_ -= std::log(deviation_[i]);
  }
}

std::int64_t Observation::variables() const { return c10::multiply_integers(shape_); }

// The 8-bit value at which x is 1.
double Observation::white() const {
  return measure_ == Measure::kBinary ? rows_.white : static_cast<double>(levels_);
}

bool Observation::is_dithered() const {
  return rows_.type == ValueType::kUint8 &&
         (values_ == Values::kDithered || values_ == Values::kStandardised);
}

torch::Tensor Observation::x(const Batch& batch, const RunNoise& noise) const {
  const std::int64_t width = variables();
  const auto bytes = static_cast<std::size_t>(batch.count() * width) * value_bytes(rows_.type);
  if (batch.type != rows_.type || batch.shape != rows_.shape || batch.values.size() != bytes) {
    throw Error(fmt::format("a batch of {} rows of shape {} does not match the model's {}",
                            batch.count(), shape_text(batch.shape), shape_text(rows_.shape)));
  }
  torch::Tensor out = torch::empty({batch.count(), width}, torch::kFloat);
  float* const data = out.data_ptr<float>();
  const std::int64_t grain = std::max<std::int64_t>(1, (1 << 14) / width);
  at::parallel_for(0, batch.count(), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      fill_row(batch, row, noise, data + row * width);
    }
  });
  return from_file_axes(out);
}

namespace {

// The row's values k/scale, or v as they are.
void copy_values(const Batch& batch, std::int64_t row, double scale, std::span<float> out) {
  const std::byte* from =
      batch.values.data() + static_cast<std::size_t>(row) * out.size() * value_bytes(batch.type);
  if (batch.type == ValueType::kFloat32) {
    std::memcpy(out.data(), from, out.size_bytes());
    return;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<float>(std::to_integer<int>(from[i]) / scale);
  }
}

void check_levels(std::int64_t index, std::int64_t levels, std::span<const float> row) {
  for (const float value : row) {
    if (value < 1) continue;
    refuse_level(index, static_cast<int>(std::lround(value * static_cast<float>(levels))), levels);
  }
}

void binarise(const Noise& noise, std::int64_t index, std::span<float> row) {
  thread_local std::vector<double> uniform;
  uniform.resize(row.size());
  noise.uniform(static_cast<std::uint64_t>(index), 0, uniform);
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i] = uniform[i] < static_cast<double>(row[i]) ? 1.0F : 0.0F;
  }
}

}  // namespace

// Noise is drawn in the order of the file, so that it does not depend on data.layout.
void Observation::fill_row(const Batch& batch, std::int64_t row, const RunNoise& noise,
                           float* out) const {
  const std::span<float> values(out, static_cast<std::size_t>(variables()));
  const std::int64_t index = batch.indices[static_cast<std::size_t>(row)];
  if (is_dithered()) {
    Noise(noise.key(Purpose::kDither)).uniform16(static_cast<std::uint64_t>(index), 0, values);
    const std::byte* from = batch.values.data() + static_cast<std::size_t>(row) * values.size();
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = (static_cast<float>(std::to_integer<int>(from[i])) + values[i]) *
                  static_cast<float>(1.0 / kByteLevels);
    }
  } else {
    copy_values(batch, row, white(), values);
  }
  if (values_ == Values::kStandardised) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>((values[i] - mean_[i]) / deviation_[i]);
    }
  }
  if (measure_ == Measure::kLevels) check_levels(index, levels_, values);
  if (measure_ != Measure::kBinary) return;
  // Whether a sample that is not finite stops the run is not for this place to decide.
  if (std::binary_search(batch.not_finite.begin(), batch.not_finite.end(), row)) return;
  for (const float value : values) {
    if (!(value >= 0 && value <= 1)) refuse_probability(index, value);
  }
  if (values_ == Values::kBinaryThreshold) {
    for (float& value : values) value = value >= 0.5F ? 1.0F : 0.0F;
  } else if (values_ == Values::kBinaryDynamic) {
    binarise(Noise(noise.key(Purpose::kBinarisation)), index, values);
  } else if (values_ == Values::kBinaryFixed) {
    binarise(Noise({noise.seed, Purpose::kBinarisation, 0, kEvaluationEpoch}), index, values);
  }
}

torch::Tensor Observation::from_file_axes(const torch::Tensor& rows) const {
  std::vector<std::int64_t> sizes = {rows.size(0)};
  if (layout_ == Layout::kNhwc && rows_.shape.size() == 3) {
    sizes.insert(sizes.end(), rows_.shape.begin(), rows_.shape.end());
    return rows.view(sizes).permute({0, 3, 1, 2}).contiguous();
  }
  sizes.insert(sizes.end(), shape_.begin(), shape_.end());
  return rows.view(sizes);
}

torch::Tensor Observation::per_variable(const std::vector<double>& values,
                                        const torch::Tensor& like) const {
  const auto row = torch::tensor(values, torch::kDouble).view({1, variables()});
  return from_file_axes(row).to(like.device(), like.scalar_type());
}

torch::Tensor Observation::in_file_units(const torch::Tensor& x) const {
  torch::Tensor v = x;
  if (values_ == Values::kStandardised)
    v = x * per_variable(deviation_, x) + per_variable(mean_, x);
  if (rows_.type == ValueType::kUint8) v = v * white();
  if (layout_ == Layout::kNhwc && rows_.shape.size() == 3) v = v.permute({0, 2, 3, 1});
  std::vector<std::int64_t> sizes = {x.size(0)};
  sizes.insert(sizes.end(), rows_.shape.begin(), rows_.shape.end());
  return v.reshape(sizes);
}

torch::Tensor Observation::display(const torch::Tensor& x) const {
  if (measure_ == Measure::kLevels) {
    return (x * (white() / static_cast<double>(levels_ - 1))).clamp(0, 1);
  }
  if (values_ != Values::kStandardised) return x.clamp(0, 1);
  const auto v = x * per_variable(deviation_, x) + per_variable(mean_, x);
  if (rows_.type == ValueType::kUint8) return v.clamp(0, 1);
  double low = mean_[0];
  double high = mean_[0];
  for (std::size_t i = 0; i < mean_.size(); ++i) {
    low = std::min(low, mean_[i] - 2 * deviation_[i]);
    high = std::max(high, mean_[i] + 2 * deviation_[i]);
  }
  return ((v - low) / (high - low)).clamp(0, 1);
}

double Observation::typical_deviation() const {
  constexpr double kOfPictures = 0.3;  // of pixels on [0, 1)
  return values_ == Values::kStandardised || rows_.type == ValueType::kFloat32 ? 1.0 : kOfPictures;
}

std::string Observation::measure_text() const {
  if (measure_ == Measure::kLevels) {
    return levels_ == kByteLevels ? "probability of 8-bit values"
                                  : fmt::format("probability of 8-bit values below {}", levels_);
  }
  const bool bytes = rows_.type == ValueType::kUint8;
  switch (values_) {
    case Values::kDithered:
      return "density of x = (k + u)/256 on [0,1)";
    case Values::kStandardised:
      return bytes ? "density of x = (k + u)/256 on [0,1), standardised with its Jacobian"
                   : "density in the file's units, standardised with its Jacobian";
    case Values::kBinaryDynamic:
      return "probability of binarised pixels (dynamic, keyed)";
    case Values::kBinaryFixed:
      return "probability of binarised pixels (fixed, keyed)";
    case Values::kBinaryThreshold:
      return bytes && rows_.white == 1 ? "probability of binary pixels"
                                       : "probability of binarised pixels (threshold 1/2)";
    case Values::kRaw:
      break;
  }
  if (measure_ == Measure::kBinary) {
    return bytes ? fmt::format("loss on grey values k/{}", rows_.white) : "loss on grey values";
  }
  return bytes ? "loss on x = k/256, without dither" : "density in the file's units";
}

std::string Observation::no_likelihood_reason() const {
  if (values_ != Values::kRaw || measure_ == Measure::kLevels) return "";
  if (measure_ == Measure::kBinary) {
    return "Bernoulli on grey values is not a normalised model; binarise with data.values = "
           "'binary-dynamic'";
  }
  if (rows_.type == ValueType::kFloat32) return "";
  return "a density on undithered 8-bit values is unbounded and no probability; use data.values = "
         "'dithered'";
}

std::optional<double> Observation::bits_per_dim(double mean_log_p) const {
  const bool density = measure_ == Measure::kDensity;
  const bool continuous = density && rows_.type == ValueType::kFloat32;
  if (continuous || !no_likelihood_reason().empty()) return std::nullopt;
  const double bits = -mean_log_p / (std::numbers::ln2 * static_cast<double>(variables()));
  return density ? std::log2(kByteLevels) + bits : bits;
}

}  // namespace elbow
