// The communicator of a test program that runs on several ranks.
#pragma once

#include <string>

#include "trainer/comm/communicator.h"

namespace elbow::test {

// Over all ranks of the program; made by its main.
Communicator& ranks();

// A folder that all ranks see, made by rank 0; removed at the program's end.
const std::string& shared_folder();

}  // namespace elbow::test
