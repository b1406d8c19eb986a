// elbow doctor
#include <algorithm>
#include <memory>
#include <string>

#include <ATen/Version.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/version.h>

#include "base/error.h"
#include "base/print.h"
#include "base/text.h"
#include "base/version.h"
#include "data/hdf5.h"
#include "launch/cli/commands.h"
#include "launch/cli/configuration.h"
#include "launch/cli/host_probes.h"
#include "launch/cli/network_probes.h"
#include "launch/cli/probes.h"
#include "launch/cli/program_facts.h"
#include "launch/cli/storage_probes.h"
#include "trainer/comm/communicator.h"
#include "trainer/comm/together.h"

extern "C" char** environ;

namespace elbow {
namespace {

Finding probe_hdf5() {
  Finding finding{"HDF5", hdf5::version(), "", false};
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

// Prints a group of findings and keeps those that need something done.
class Diagnosis {
 public:
  void add(const std::string& title, const Findings& findings) {
    if (findings.empty()) return;
    std::string text = title + "\n";
    for (const auto& finding : findings) {
      text += fmt::format("  {:<18}{}\n", finding.name, finding.value);
      if (!finding.advice.empty()) advised_.push_back(finding);
    }
    print(text + "\n");
  }

  // Throws SharedError when a run would not work.
  void conclude() const {
    std::string text;
    for (const auto& finding : advised_) {
      text += fmt::format("{} {}: {}\n", finding.stops ? "!!" : " !", finding.name, finding.advice);
    }
    print(text + (advised_.empty() ? "" : "\n"));
    const auto stopping = std::count_if(advised_.begin(), advised_.end(),
                                        [](const Finding& finding) { return finding.stops; });
    if (stopping > 0) {
      throw Error(fmt::format("a run would not work here: see the {} marked !! above",
                              stopping == 1 ? "line" : "lines"));
    }
    print(advised_.empty() ? "Everything is in order.\n"
                           : "Runs will work; what is marked ! would make them better.\n");
  }

 private:
  Findings advised_;
};

void append(Findings& findings, const Findings& more) {
  findings.insert(findings.end(), more.begin(), more.end());
}

Findings probe_machine() {
  Findings machine = probe_processor();
  append(machine, probe_memory());
  append(machine, probe_gpu(is_gpu_build(), device_count()));
  return machine;
}

Findings probe_job(const JobShape& shape) {
  Findings job = probe_launcher(mpi_library(), shape.ranks);
  append(job, probe_sharing(shape));
  append(job, probe_surroundings());
  job.push_back(probe_variables());
  return job;
}

struct DoctorArguments {
  std::string run;
};

// What ranks find out with each other; the findings are rank 0's.
struct JobFindings {
  Findings hosts;
  Findings network;
  Findings storage;
};

JobFindings examine_job(Communicator& comm, const std::vector<Placement>& places,
                        const std::string& run) {
  JobFindings found;
  if (comm.size() > 1) {
    const int threads = job_shape(1, 1).omp_threads.value_or(1);
    found.hosts = host_findings(places, measure_clocks(comm), threads);
    found.network = {probe_all_reduce(comm)};
    append(found.network, link_findings(measure_links(comm, places)));
    append(found.network, probe_ports(comm, places));
  }
  if (const auto nccl = probe_nccl_transport(comm, places)) found.network.push_back(*nccl);
  if (!run.empty()) found.storage = probe_storage(comm, places, run);
  return found;
}

void examine(const DoctorArguments& arguments, Communicator& comm) {
  const std::vector<Placement> places = gather_places(comm);
  const auto ranks_here = std::count_if(places.begin(), places.end(), [&](const Placement& place) {
    return place.host == places[0].host;
  });
  const JobFindings found = examine_job(comm, places, arguments.run);
  together(comm, [&] {
    if (comm.rank() != 0) return;
    Diagnosis report;
    report.add("Program", probe_program());
    report.add("Machine", probe_machine());
    report.add("Job", probe_job(job_shape(comm.size(), static_cast<int>(ranks_here))));
    report.add("Hosts", found.hosts);
    report.add("Network", found.network);
    report.add("Run directory " + arguments.run, found.storage);
    report.conclude();
  });
}

}  // namespace

void add_doctor_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<DoctorArguments>();
  CLI::App* command = program.add_subcommand(
      "doctor",
      "What this machine and build offer, and what is misconfigured.\n\n"
      "  elbow doctor\n"
      "  mpirun -n 2 elbow doctor --run runs/first\n\n"
      "Versions, devices, ranks and threads; under mpirun also the hosts, where their ranks are\n"
      "bound, their clocks, and how fast they add up what they have; with --run whether the "
      "folder\n"
      "keeps what a run relies on, tried there for real. And what to do about what is wrong. "
      "Start\n"
      "it as you start a training. Exit code 0 unless something would stop a run from working.");
  command
      ->add_option("--run", arguments->run,
                   "a run directory, existing or not: try its file system as well")
      ->type_name("DIR");
  command->callback([arguments, &action] {
    action = [arguments](Communicator& comm) { examine(*arguments, comm); };
  });
}

}  // namespace elbow
