#include "launch/cli/program_facts.h"

#include <array>
#include <fstream>

#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <mpi.h>
#include <torch/version.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/version.h"
#include "data/hdf5.h"

namespace elbow {
namespace {

constexpr std::size_t kPiece = 1 << 20;  // bytes read at a time

// Of the file that this process was started from, also where another has taken its name since.
std::string program_hash() {
  std::ifstream program("/proc/self/exe", std::ios::binary);
  std::vector<char> piece(kPiece);
  Hash hash;
  while (program.read(piece.data(), kPiece) || program.gcount() > 0) {
    hash.add(std::string_view(piece.data(), static_cast<std::size_t>(program.gcount())));
  }
  if (!program.eof()) throw Error("/proc/self/exe, the program itself, cannot be read");
  return hash.hex();
}

void add_told(const CLI::App& command, Facts& facts) {
  for (const CLI::Option* option : command.get_options()) {
    facts.emplace_back(option->get_name(),
                       option->count() == 0 ? "not given" : join(option->results(), " "));
  }
  for (const CLI::App* chosen : command.get_subcommands()) {
    facts.emplace_back("the command", chosen->get_name());
    add_told(*chosen, facts);
  }
}

}  // namespace

std::string mpi_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  if (MPI_Get_library_version(text.data(), &length) != MPI_SUCCESS) return "unknown";
  return split(text.data(), ',').front();
}

bool is_gpu_build() { return at::detail::getCUDAHooks().hasCUDART(); }

void require_gpu_build() {
  if (is_gpu_build()) return;
  throw ConfigError(
      "training.device = cuda needs a build for GPUs, and this one is for processors: run "
      "launch/setup --cuda, then cmake --preset cuda && cmake --build --preset cuda");
}

Facts program_facts() {
  return {{"elbow", kVersion},
          {"commit", kCommit},
          {"libtorch", TORCH_VERSION},
          {"mpi", mpi_library()},
          {"hdf5", hdf5::version()},
          // Kernels for other instructions round differently.
          {"kernels", at::get_cpu_capability()}};
}

Facts told_facts(const CLI::App& program) {
  Facts facts;
  add_told(program, facts);
  return facts;
}

void require_same_start(Communicator& comm, const Facts& told) {
  if (comm.size() == 1) return;
  Facts facts = program_facts();
  together(comm, [&] { facts.emplace_back("the hash of the program", program_hash()); });
  facts.insert(facts.end(), told.begin(), told.end());
  require_same(comm, facts);
}

}  // namespace elbow
