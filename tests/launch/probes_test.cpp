#include "launch/cli/probes.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>

namespace elbow {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const Finding& named(const Findings& findings, const std::string& name) {
  for (const auto& finding : findings) {
    if (finding.name == name) return finding;
  }
  throw std::out_of_range(name);
}

// The environment of a process that no launcher started, and what a test puts into it.
class Probes : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS",
                             "PMI_RANK", "PMI_SIZE", "PMIX_RANK", "OMP_NUM_THREADS"}) {
      set(name, nullptr);
    }
  }
  void TearDown() override {
    for (const auto& [name, value] : before_) put(name, value ? value->c_str() : nullptr);
  }

  void set(const char* name, const char* value) {
    const char* old = ::getenv(name);
    before_.try_emplace(name, old == nullptr ? std::nullopt : std::optional<std::string>(old));
    put(name, value);
  }

 private:
  static void put(const std::string& name, const char* value) {
    if (value == nullptr) {
      ::unsetenv(name.c_str());
    } else {
      ::setenv(name.c_str(), value, 1);
    }
  }
  std::map<std::string, std::optional<std::string>> before_;
};

TEST_F(Probes, CoresAreThoseOfTheAffinity) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core) {
    if (CPU_ISSET(core, &before)) CPU_SET(core, &one);
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(allowed_cores(), 1);
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
  EXPECT_GE(allowed_cores(), 1);
  EXPECT_LE(allowed_cores(), machine_cores());
}

TEST_F(Probes, FewRanksAreFine) {
  for (const auto& finding :
       probe_sharing({.ranks = 4, .ranks_here = 2, .cores = 2, .cores_allowed = 2})) {
    EXPECT_THAT(finding.advice, IsEmpty()) << finding.name;
  }
}

TEST_F(Probes, MoreRanksThanCores) {
  const auto findings =
      probe_sharing({.ranks = 3, .ranks_here = 3, .cores = 2, .cores_allowed = 2});
  EXPECT_THAT(named(findings, "ranks").advice, HasSubstr("3 ranks x 1 thread on 2 cores: slow"));
  EXPECT_FALSE(named(findings, "ranks").stops);
}

// Two ranks bound to a core each have the cores they need.
TEST_F(Probes, BoundRanksAreFine) {
  const auto findings =
      probe_sharing({.ranks = 2, .ranks_here = 2, .cores = 2, .cores_allowed = 1});
  EXPECT_THAT(named(findings, "ranks").advice, IsEmpty());
}

TEST_F(Probes, MoreThreadsThanBoundCores) {
  const auto findings = probe_sharing(
      {.ranks = 2, .ranks_here = 2, .cores = 8, .cores_allowed = 1, .omp_threads = 4});
  EXPECT_THAT(named(findings, "OMP_NUM_THREADS").advice, HasSubstr("4 threads would share 1 core"));
  EXPECT_THAT(named(findings, "ranks").advice, IsEmpty());
}

TEST_F(Probes, ThreadsAreAnOptionOfTraining) {
  const auto findings = probe_sharing(
      {.ranks = 1, .ranks_here = 1, .cores = 8, .cores_allowed = 8, .omp_threads = 4});
  EXPECT_THAT(named(findings, "OMP_NUM_THREADS").advice, HasSubstr("training.threads"));
}

TEST_F(Probes, ThreadsComeFromTheEnvironment) {
  EXPECT_EQ(job_shape(1, 1).omp_threads, std::nullopt);
  set("OMP_NUM_THREADS", "3");
  EXPECT_EQ(job_shape(1, 1).omp_threads, 3);
  set("OMP_NUM_THREADS", "many");
  EXPECT_EQ(job_shape(1, 1).omp_threads, std::nullopt);
}

TEST_F(Probes, NoLauncher) {
  const Finding launcher = named(probe_launcher("Open MPI v4.1.4", 1), "launcher");
  EXPECT_THAT(launcher.value, HasSubstr("alone"));
  EXPECT_FALSE(launcher.stops);
}

TEST_F(Probes, LauncherThatFits) {
  set("OMPI_COMM_WORLD_SIZE", "2");
  set("PMIX_RANK", "0");
  const Finding launcher = named(probe_launcher("Open MPI v4.1.4", 2), "launcher");
  EXPECT_THAT(launcher.value, HasSubstr("mpirun, 2 ranks meant"));
  EXPECT_FALSE(launcher.stops);
}

TEST_F(Probes, LauncherOfAnotherMpiStopsARun) {
  set("SLURM_STEP_NUM_TASKS", "4");
  EXPECT_TRUE(named(probe_launcher("Open MPI v4.1.4", 1), "launcher").stops);
  set("SLURM_STEP_NUM_TASKS", nullptr);
  set("PMI_RANK", "0");
  const Finding launcher = named(probe_launcher("Open MPI v4.1.4", 1), "launcher");
  EXPECT_TRUE(launcher.stops);
  EXPECT_THAT(launcher.advice, HasSubstr("srun --mpi=pmix"));
  EXPECT_FALSE(named(probe_launcher("MPICH Version: 4.0.2", 1), "launcher").stops);
}

TEST_F(Probes, AnAllocationIsNoLauncher) {
  set("SLURM_NTASKS", "4");
  const Finding launcher = named(probe_launcher("Open MPI v4.1.4", 1), "launcher");
  EXPECT_THAT(launcher.value, HasSubstr("allocation for 4 tasks"));
  EXPECT_FALSE(launcher.stops);
}

TEST_F(Probes, NoMpirunOnThePath) {
  set("PATH", "/nowhere::relative");
  const Finding mpirun = named(probe_launcher("Open MPI v4.1.4", 1), "mpirun");
  EXPECT_EQ(mpirun.value, "not on the PATH");
  EXPECT_THAT(mpirun.advice, HasSubstr("Open MPI v4.1.4"));
}

TEST_F(Probes, TemporaryFolderMustBeWritable) {
  set("TMPDIR", "/proc/none");
  EXPECT_THAT(named(probe_surroundings(), "temporary folder").advice, HasSubstr("TMPDIR"));
  set("TMPDIR", nullptr);
  EXPECT_THAT(named(probe_surroundings(), "temporary folder").advice, IsEmpty());
}

TEST_F(Probes, ThisMachineHasAProcessorAndMemory) {
  EXPECT_NE(named(probe_processor(), "processor").value, "");
  EXPECT_THAT(named(probe_memory(), "memory").value, HasSubstr("iB"));
}

TEST_F(Probes, GpuBuildWithoutGpu) {
  EXPECT_NE(named(probe_gpu(true, 0), "GPUs").advice, "");
  EXPECT_EQ(named(probe_gpu(true, 2), "GPUs").value, "2 usable");
  EXPECT_EQ(named(probe_gpu(true, 2), "GPUs").advice, "");
}

}  // namespace
}  // namespace elbow
