#include "launch/cli/probes.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/machine.h"
#include "base/text.h"
#include "monitoring/terminal.h"

namespace elbow {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;
constexpr double kLittleMemory = 1024.0 * kMiB;

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::optional<int> environment_number(const char* name) {
  const auto text = environment(name);
  std::int64_t number = 0;
  if (!text || !parse_number(*text, number)) return std::nullopt;
  return static_cast<int>(number);
}

std::string find_program(const std::string& name) {
  for (const auto& folder : split(environment("PATH").value_or(""), ':')) {
    const auto path = std::filesystem::path(folder) / name;
    std::error_code ignored;
    if (!folder.empty() && std::filesystem::is_regular_file(path, ignored) &&
        ::access(path.c_str(), X_OK) == 0) {
      return path.string();
    }
  }
  return "";
}

// "1 thread", "2 threads"
std::string counted(int number, const char* thing) {
  return fmt::format("{} {}{}", number, thing, number == 1 ? "" : "s");
}

std::string limit_text(rlim_t limit) {
  return limit == RLIM_INFINITY ? "unlimited" : human_bytes(static_cast<double>(limit));
}

Finding probe_root() {
  Finding finding{"user", ::geteuid() == 0 ? "root" : "not root", "", false};
  const bool allowed =
      environment("OMPI_ALLOW_RUN_AS_ROOT") && environment("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM");
  if (::geteuid() == 0 && !allowed && !environment("OMPI_COMM_WORLD_SIZE")) {
    finding.advice =
        "mpirun refuses to start as root: become another user, or set OMPI_ALLOW_RUN_AS_ROOT=1 and "
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1";
  }
  return finding;
}

std::string launcher_text() {
  if (const auto ranks = environment("OMPI_COMM_WORLD_SIZE")) {
    return fmt::format("mpirun, {} ranks meant", *ranks);
  }
  if (const auto ranks = environment("SLURM_STEP_NUM_TASKS")) {
    return fmt::format("srun, {} ranks meant", *ranks);
  }
  if (const auto tasks = environment("SLURM_NTASKS")) {
    return fmt::format("none, inside a Slurm allocation for {} tasks", *tasks);
  }
  if (environment("PMI_RANK") || environment("PMI_SIZE")) return "one that speaks PMI, not PMIx";
  return "none: one process alone";
}

}  // namespace

int allowed_cores() {
  // More than CPU_SETSIZE cores don't fit; the machine's count is the best answer there.
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return machine_cores();
  int cores = CPU_COUNT(&set);
  if (const auto quota = group_limit("cpu.max")) {
    cores = std::min(cores, std::max(1, static_cast<int>(*quota)));
  }
  return cores;
}

int machine_cores() { return std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN))); }

JobShape job_shape(int ranks, int ranks_here) {
  return {ranks, ranks_here, machine_cores(), allowed_cores(),
          environment_number("OMP_NUM_THREADS")};
}

Findings probe_processor() {
  const std::string flags = fmt::format(" {} ", line_value("/proc/cpuinfo", "flags"));
  std::vector<std::string> sets;
  for (const char* set : {"sse4_2", "avx", "fma", "avx2", "avx512f", "avx512_bf16", "amx_bf16"}) {
    if (flags.find(fmt::format(" {} ", set)) != std::string::npos) sets.emplace_back(set);
  }
  Finding instructions{"instruction sets", join(sets, ", "), "", false};
  if (sets.empty()) {
    instructions.value = "unknown";
  } else if (flags.find(" avx2 ") == std::string::npos) {
    instructions.advice =
        "without AVX2 training is several times slower; choose another machine, or have the "
        "virtual machine pass the processor's instruction sets on";
  }
  const std::string model = line_value("/proc/cpuinfo", "model name");
  return {{"processor", model.empty() ? "unknown" : model, "", false}, instructions};
}

Findings probe_memory() {
  const auto [total, available] = main_memory();
  Finding memory{"memory",
                 fmt::format("{}, {} available", human_bytes(total), human_bytes(available)), "",
                 false};
  if (available < kLittleMemory) {
    memory.advice = "less than 1 GiB is free: a rank needs about 0.3 GiB and its model and batches";
  }
  struct statvfs status {};
  Finding shared{"/dev/shm", "none", "", false};
  double free = 0;
  if (::statvfs("/dev/shm", &status) == 0) {
    const auto block = static_cast<double>(status.f_frsize);
    free = static_cast<double>(status.f_bavail) * block;
    shared.value =
        fmt::format("{}, {} free", human_bytes(static_cast<double>(status.f_blocks) * block),
                    human_bytes(free));
  }
  if (free < 64 * kMiB) {
    shared.advice =
        "ranks of one machine exchange messages there; start the container with --shm-size=1g, or "
        "remove what fills it";
  }
  return {memory, shared};
}

Findings probe_gpu(bool build_has_cuda, int usable_gpus) {
  std::error_code ignored;
  const bool present = std::filesystem::exists("/proc/driver/nvidia/version", ignored) ||
                       std::filesystem::exists("/dev/nvidia0", ignored);
  Finding finding{"GPUs", fmt::format("{} usable", usable_gpus), "", false};
  if (!build_has_cuda) {
    finding.value =
        present ? "there is an NVIDIA driver, but this build is for processors" : "none";
    if (present) finding.advice = "to use the GPU: launch/setup --cuda, and build the preset cuda";
  } else if (usable_gpus == 0) {
    finding.value = "none usable";
    finding.advice =
        present ? "the driver is too old for this build (CUDA 13 needs 580 or newer), or no GPU is "
                  "given to this process (CUDA_VISIBLE_DEVICES)"
                : "no NVIDIA driver here: training will run on the processor";
  }
  return {finding};
}

Findings probe_sharing(const JobShape& shape) {
  Finding cores{"cores",
                fmt::format("{} of {} open to this process", shape.cores_allowed, shape.cores), "",
                false};
  Finding ranks{"ranks", fmt::format("{}, {} on this machine", shape.ranks, shape.ranks_here), "",
                false};
  Finding threads{"OMP_NUM_THREADS",
                  shape.omp_threads ? fmt::format("{}", *shape.omp_threads) : "not set", "", false};
  const int wanted = std::max(1, shape.omp_threads.value_or(1));
  const bool bound = shape.cores_allowed < shape.cores;
  if (wanted > shape.cores_allowed) {
    threads.advice = fmt::format(
        "{} would share {}: slow. Unset OMP_NUM_THREADS, or bind each rank to as many cores "
        "(mpirun --map-by slot:PE={})",
        counted(wanted, "thread"), counted(shape.cores_allowed, "core"), wanted);
  } else if (wanted > 1) {
    threads.advice =
        "training.threads says how many threads a rank trains with, whatever this variable says; "
        "unset it, or set both alike";
  }
  const int cores_shared = bound ? shape.cores : shape.cores_allowed;
  if (shape.ranks_here > 1 && std::int64_t{shape.ranks_here} * wanted > cores_shared) {
    ranks.advice = fmt::format(
        "{} x {} on {}: slow, since ranks wait for each other at every step. Start fewer ranks, or "
        "spread them over more machines",
        counted(shape.ranks_here, "rank"), counted(wanted, "thread"),
        counted(cores_shared, "core"));
  }
  return {cores, ranks, threads};
}

Findings probe_launcher(const std::string& mpi_library, int ranks) {
  Finding launcher{"launcher", launcher_text(), "", false};
  const auto meant = environment_number(
      environment("OMPI_COMM_WORLD_SIZE") ? "OMPI_COMM_WORLD_SIZE" : "SLURM_STEP_NUM_TASKS");
  const bool foreign = (environment("PMI_RANK") || environment("PMI_SIZE")) &&
                       !environment("PMIX_RANK") && mpi_library.starts_with("Open MPI");
  if ((meant && *meant != ranks) || (foreign && ranks == 1)) {
    launcher.advice = fmt::format(
        "launcher and MPI library don't belong together, so each process believes to be alone: "
        "start with the mpirun of {}, or with srun --mpi=pmix",
        mpi_library);
    launcher.stops = true;
  }
  const std::string path = find_program("mpirun");
  Finding mpirun{"mpirun", path.empty() ? "not on the PATH" : path, "", false};
  if (path.empty() && ranks == 1) {
    mpirun.advice = fmt::format(
        "one process works without it; for more, install the mpirun of {} or load its module",
        mpi_library);
  }
  return {launcher, mpirun, probe_root()};
}

Findings probe_surroundings() {
  rlimit stack{};
  rlimit files{};
  rlimit size{};
  ::getrlimit(RLIMIT_STACK, &stack);
  ::getrlimit(RLIMIT_NOFILE, &files);
  ::getrlimit(RLIMIT_FSIZE, &size);
  Finding open_files{"open files", fmt::format("{} at most", files.rlim_cur), "", false};
  if (files.rlim_cur < 256) open_files.advice = "too few for data in many files: ulimit -n 4096";
  Finding file_size{"file size", limit_text(size.rlim_cur), "", false};
  if (size.rlim_cur != RLIM_INFINITY) {
    file_size.advice = "larger files cannot be written: ulimit -f unlimited";
  }
  const std::string locale = environment("LC_ALL").value_or(
      environment("LC_CTYPE").value_or(environment("LANG").value_or("not set")));
  const std::string folder = environment("TMPDIR").value_or("/tmp");
  Finding temporary{"temporary folder", folder, "", false};
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    temporary.advice = "cannot be written, and mpirun needs it: set TMPDIR to a folder of yours";
  }
  return {{"locale",
           fmt::format("{} ({})", locale, locale_is_utf8() ? "UTF-8" : "plain ASCII is shown"), "",
           false},
          {"stack", limit_text(stack.rlim_cur), "", false},
          open_files,
          file_size,
          temporary};
}

}  // namespace elbow
