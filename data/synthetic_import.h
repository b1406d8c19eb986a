// A data set whose factors are known and whose every other view can be drawn: pictures of cars
// that don't exist, laid out as those of Cars3D.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/import_output.h"
#include "data/synthetic_render.h"

namespace elbow {

struct SyntheticImport {
  std::filesystem::path output;
  std::string group = "cars";
  bool replace = false;         // a group that is there already
  std::int64_t models = 183;    // 1 to 100000
  std::int64_t azimuths = 24;   // 1 to 720, evenly around
  std::int64_t elevations = 4;  // 1 to 90, see synthetic_view
  std::int64_t size = 64;       // pixels: 8 to 512
  std::uint64_t seed = 1;       // other seeds are other cars
  Light light = Light::kCamera;
  std::int64_t background = 255;  // grey level, 0 to 255
};

// Azimuth a * 360 / azimuths, elevation 5 + e * 36 / (elevations - 1) degrees; a single elevation
// is 23 degrees.
View synthetic_view(const SyntheticImport& import, std::int64_t azimuth, std::int64_t elevation);

// Writes, into the group, with N = models * azimuths * elevations rows in row-major order: row
// (model * azimuths + azimuth) * elevations + elevation,
//   images        [N, size, size, 3] uint8
//   labels        [N, 3] int64, indices of model, azimuth, elevation
//   factors       [N, 3] float64, model, azimuth and elevation in degrees
//   model_labels  [N] int64, the model alone
// Chunked, compressed, with equal values on every machine; a few megabytes of memory. Throws
// ConfigError on counts outside their bounds, and what ImportOutput throws.
std::vector<Imported> import_synthetic(const SyntheticImport& import);

}  // namespace elbow
