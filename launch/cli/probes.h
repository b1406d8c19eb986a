// What 'elbow doctor' looks at, a small function each.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace elbow {

struct Finding {
  std::string name;
  std::string value;
  std::string advice;  // what to do about it; empty when nothing is
  bool stops = false;  // a run would not work
};

using Findings = std::vector<Finding>;

// How a job shares this machine.
struct JobShape {
  int ranks = 1;
  int ranks_here = 1;     // on this machine
  int cores = 1;          // of this machine
  int cores_allowed = 1;  // to this rank, which may be bound to some
  std::optional<int> omp_threads = std::nullopt;
};

// Cores that the scheduler lets this process run on, and those of the machine.
int allowed_cores();
int machine_cores();

JobShape job_shape(int ranks, int ranks_here);

Findings probe_processor();  // model and instruction sets
Findings probe_memory();     // main memory and /dev/shm
Findings probe_gpu(bool build_has_cuda, int usable_gpus);
Findings probe_sharing(const JobShape& shape);  // ranks, threads, cores
Findings probe_launcher(const std::string& mpi_library, int ranks);
Findings probe_surroundings();  // locale, limits, temporary folder

}  // namespace elbow
