// elbow doctor
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <iostream>
#include <string>

#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <hdf5.h>
#include <mpi.h>
#include <torch/types.h>
#include <torch/version.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "base/version.h"
#include "launch/cli/commands.h"
#include "launch/cli/configuration.h"
#include "launch/cli/probes.h"
#include "launch/cli/program_facts.h"
#include "trainer/comm/communicator.h"
#include "trainer/comm/together.h"

extern "C" char** environ;

namespace elbow {
namespace {

Finding probe_hdf5() {
  Finding finding{"HDF5", hdf5_library(), "", false};
  const std::string built_for =
      fmt::format("{}.{}.{}", H5_VERS_MAJOR, H5_VERS_MINOR, H5_VERS_RELEASE);
  // HDF5 itself ends a program that was compiled against another release.
  if (finding.value != built_for) {
    finding.advice = fmt::format(
        "this build was made for HDF5 {}: build again, or load the module it was built with",
        built_for);
    finding.stops = true;
  }
  return finding;
}

// Looked up in the running program, so that one source serves builds with and without it.
Finding probe_nccl() {
  using GetVersion = int (*)(int*);
  const auto get_version = reinterpret_cast<GetVersion>(::dlsym(RTLD_DEFAULT, "ncclGetVersion"));
  int version = 0;
  if (get_version == nullptr || get_version(&version) != 0) {
    return {"NCCL", "not in this build", "", false};
  }
  return {"NCCL", fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100), "",
          false};
}

std::string compiler() {
  const std::string version = __VERSION__;  // GCC gives the bare number, others their name too
  return version.front() >= '0' && version.front() <= '9' ? "GCC " + version : version;
}

Findings probe_program() {
  return {{"elbow", fmt::format("{}, commit {}", kVersion, kCommit), "", false},
          {"compiler", compiler(), "", false},
          {"LibTorch", fmt::format("{}, {} kernels", TORCH_VERSION, at::get_cpu_capability()), "",
           false},
          {"MPI", mpi_library(), "", false},
          probe_hdf5(),
          probe_nccl()};
}

// Variables that set options, checked as a training would.
Finding probe_variables() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable(*entry);
    if (variable.starts_with("ELBOW_")) names.push_back(variable.substr(0, variable.find('=')));
  }
  Finding finding{"ELBOW_ variables", names.empty() ? "none" : join(names, ", "), "", false};
  try {
    Configuration configuration;
    OptionTable table = configuration.table();
    table.apply_environment();
  } catch (const ConfigError& error) {
    finding.advice = error.what();
    finding.stops = true;
  }
  return finding;
}

// Collective. Ranks whose machine has the same name as this one's.
int ranks_on_this_machine(Communicator& comm) {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  const auto hash = static_cast<std::int64_t>(std::hash<std::string>{}(name.data()));
  const torch::Tensor all = comm.all_gather(torch::tensor({hash}, torch::kLong));
  const std::int64_t* hashes = all.data_ptr<std::int64_t>();
  return static_cast<int>(std::count(hashes, hashes + comm.size(), hash));
}

// Prints a group of findings and keeps those that need something done.
class Report {
 public:
  void add(const std::string& title, const Findings& findings) {
    fmt::print("{}\n", title);
    for (const auto& finding : findings) {
      fmt::print("  {:<18}{}\n", finding.name, finding.value);
      if (!finding.advice.empty()) advised_.push_back(finding);
    }
    fmt::print("\n");
  }

  // Throws SharedError when a run would not work.
  void conclude() const {
    for (const auto& finding : advised_) {
      fmt::print("{} {}: {}\n", finding.stops ? "!!" : " !", finding.name, finding.advice);
    }
    if (!advised_.empty()) fmt::print("\n");
    const auto stopping = std::count_if(advised_.begin(), advised_.end(),
                                        [](const Finding& finding) { return finding.stops; });
    std::fflush(stdout);
    if (stopping > 0) {
      throw Error(fmt::format("a run would not work here: see the {} marked !! above",
                              stopping == 1 ? "line" : "lines"));
    }
    fmt::print("{}\n", advised_.empty()
                           ? "Everything is in order."
                           : "Runs will work; what is marked ! would make them better.");
  }

 private:
  Findings advised_;
};

void examine(Communicator& comm) {
  const int ranks_here = ranks_on_this_machine(comm);
  together(comm, [&] {
    if (comm.rank() != 0) return;
    Report report;
    report.add("Program", probe_program());
    Findings machine = probe_processor();
    for (const auto& more :
         {probe_memory(), probe_gpu(at::detail::getCUDAHooks().hasCUDART(), device_count())}) {
      machine.insert(machine.end(), more.begin(), more.end());
    }
    report.add("Machine", machine);
    Findings job = probe_launcher(mpi_library(), comm.size());
    for (const auto& more : {probe_sharing(job_shape(comm.size(), ranks_here)),
                             probe_surroundings(), Findings{probe_variables()}}) {
      job.insert(job.end(), more.begin(), more.end());
    }
    report.add("Job", job);
    report.conclude();
  });
}

}  // namespace

void add_doctor_command(CLI::App& program, Action& action) {
  CLI::App* command = program.add_subcommand(
      "doctor",
      "What this machine and build offer, and what is misconfigured.\n\n"
      "  elbow doctor\n"
      "  mpirun -n 2 elbow doctor\n\n"
      "Versions, devices, ranks and threads, with what to do about what is wrong. Start it as you\n"
      "start a training. Exit code 0 unless something would stop a run from working.");
  command->callback([&action] { action = examine; });
}

}  // namespace elbow
