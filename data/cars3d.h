// Cars3D (Reed et al. 2015, "Deep visual analogy-making"; models of Fidler et al. 2012): 183 cars,
// each from 24 azimuths and 4 elevations, in MATLAB files of an archive, into HDF5.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/import_output.h"

namespace elbow {

inline constexpr std::int64_t kCars3dAzimuths = 24;
inline constexpr std::int64_t kCars3dElevations = 4;
inline constexpr std::int64_t kCars3dViews = kCars3dAzimuths * kCars3dElevations;

struct Cars3dImport {
  // nips2015-analogy-data.tar.gz, or a folder with its files: the one that holds list.txt, or that
  // folder's data/cars or cars.
  std::filesystem::path source;
  std::filesystem::path output;
  std::string group = "cars";
  bool replace = false;    // a group that is there already
  std::int64_t size = 64;  // pixels, 1 to the archive's 128; smaller by averaging over areas
};

// Writes, into the group, for M models in the order of list.txt, N = M * 24 * 4 rows in row-major
// order: row (model * 24 + azimuth) * 4 + elevation,
//   images        [N, size, size, 3] uint8
//   labels        [N, 3] int64, indices of model, azimuth, elevation
//   model_labels  [N] int64, the model alone
// One model is in memory at a time. Nothing of the archive is unpacked to disk. Throws DataError
// naming file and member: missing, damaged, not as the archive's are, sizes that disagree; and what
// ImportOutput throws.
std::vector<Imported> import_cars3d(const Cars3dImport& import);

}  // namespace elbow
