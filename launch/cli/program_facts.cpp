#include "launch/cli/program_facts.h"

#include <array>

#include <ATen/Version.h>
#include <fmt/format.h>
#include <hdf5.h>
#include <mpi.h>
#include <torch/version.h>

#include "base/text.h"
#include "base/version.h"

namespace elbow {

std::string mpi_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  if (MPI_Get_library_version(text.data(), &length) != MPI_SUCCESS) return "unknown";
  return split(text.data(), ',').front();
}

std::string hdf5_library() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

Facts program_facts() {
  return {{"elbow", kVersion},
          {"commit", kCommit},
          {"libtorch", TORCH_VERSION},
          {"mpi", mpi_library()},
          {"hdf5", hdf5_library()},
          // Kernels for other instructions round differently.
          {"kernels", at::get_cpu_capability()}};
}

}  // namespace elbow
