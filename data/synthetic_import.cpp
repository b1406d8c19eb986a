#include "data/synthetic_import.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "data/synthetic_car.h"

namespace elbow {
namespace {

constexpr std::int64_t kRenderedBytes = 4 << 20;
constexpr double kLowest = 5;   // degrees
constexpr double kSpread = 36;  // degrees from the lowest to the highest

void check_bounds(const SyntheticImport& import) {
  const auto check = [](std::string_view option, std::int64_t value, std::int64_t low,
                        std::int64_t high) {
    if (value < low || value > high) {
      throw ConfigError(fmt::format("{} {} must be from {} to {}", option, value, low, high));
    }
  };
  check("--models", import.models, 1, 100000);
  check("--azimuths", import.azimuths, 1, 720);
  check("--elevations", import.elevations, 1, 90);
  check("--size", import.size, kSmallestRender, kLargestRender);
  check("--background", import.background, 0, 255);
}

// Rows that were drawn and not yet written.
class Block {
 public:
  explicit Block(const SyntheticImport& import) : import_(import) {}

  void draw(std::int64_t row) {
    const std::int64_t elevation = row % import_.elevations;
    const std::int64_t azimuth = row / import_.elevations % import_.azimuths;
    const std::int64_t model = row / import_.elevations / import_.azimuths;
    if (model != model_) solid_ = car_solid(car_shape(import_.seed, model));
    model_ = model;
    const View view = synthetic_view(import_, azimuth, elevation);
    const std::size_t start = images_.size();
    images_.resize(start + static_cast<std::size_t>(import_.size * import_.size * 3));
    render(solid_, view, static_cast<int>(import_.size), std::span(images_).subspan(start));
    labels_.insert(labels_.end(), {model, azimuth, elevation});
    factors_.insert(factors_.end(), {static_cast<double>(model), view.azimuth, view.elevation});
    models_.push_back(model);
  }

  // Columns 0 to 3 of the output, in the order in which they were added to it.
  void write(ImportOutput& output, std::int64_t first) {
    output.write(0, first, std::as_bytes(std::span(images_)));
    output.write(1, first, std::as_bytes(std::span(labels_)));
    output.write(2, first, std::as_bytes(std::span(factors_)));
    output.write(3, first, std::as_bytes(std::span(models_)));
    images_.clear();
    labels_.clear();
    factors_.clear();
    models_.clear();
  }

 private:
  const SyntheticImport& import_;
  std::int64_t model_ = -1;
  std::vector<Face> solid_;
  std::vector<std::uint8_t> images_;
  std::vector<std::int64_t> labels_;
  std::vector<double> factors_;
  std::vector<std::int64_t> models_;
};

}  // namespace

View synthetic_view(const SyntheticImport& import, std::int64_t azimuth, std::int64_t elevation) {
  const auto share = [](std::int64_t part, double whole, std::int64_t count) {
    return static_cast<double>(part) * whole / static_cast<double>(count);
  };
  const double raised =
      import.elevations == 1 ? kSpread / 2 : share(elevation, kSpread, import.elevations - 1);
  return {share(azimuth, 360, import.azimuths), kLowest + raised, import.light,
          static_cast<std::uint8_t>(import.background)};
}

std::vector<Imported> import_synthetic(const SyntheticImport& import) {
  check_bounds(import);
  const std::int64_t rows = import.models * import.azimuths * import.elevations;
  ImportOutput output(import.output, import.group, import.replace);
  output.add("images", ImportedType::kUint8, {rows, import.size, import.size, 3});
  output.add("labels", ImportedType::kInt64, {rows, 3});
  output.add("factors", ImportedType::kFloat64, {rows, 3});
  output.add("model_labels", ImportedType::kInt64, {rows});
  const std::int64_t step =
      std::max<std::int64_t>(1, kRenderedBytes / (import.size * import.size * 3));
  Block block(import);
  for (std::int64_t first = 0; first < rows; first += step) {
    const std::int64_t end = std::min(first + step, rows);
    for (std::int64_t row = first; row < end; ++row) block.draw(row);
    block.write(output, first);
  }
  return output.publish();
}

}  // namespace elbow
