// What this program is made of and runs on.
#pragma once

#include <string>

#include "trainer/comm/together.h"

namespace elbow {

std::string mpi_library();   // "Open MPI v4.1.4"; allowed before MPI is initialised
std::string hdf5_library();  // "1.10.8", the one that is loaded

// What must be the same on all ranks of a job, and is noted with a run.
Facts program_facts();

}  // namespace elbow
