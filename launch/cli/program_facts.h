// What this program is made of and runs on.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "trainer/comm/together.h"

namespace elbow {

std::string mpi_library();   // "Open MPI v4.1.4"; allowed before MPI is initialised

bool is_gpu_build();       // whether LibTorch's CUDA part and NCCL are linked
void require_gpu_build();  // throws ConfigError that says how to make one

// What must be the same on all ranks of a job, and is noted with a run.
Facts program_facts();

// The command that was parsed, and each of its options as it was given: "--samples" -> "64".
Facts told_facts(const CLI::App& program);

// Collective, before any command begins: throws SharedError naming the first difference unless all
// ranks are the same program, byte by byte, on the same libraries, and were `told` the same.
void require_same_start(Communicator& comm, const Facts& told);

}  // namespace elbow
