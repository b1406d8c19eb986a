// The communicator of a test program that runs on several ranks.
#pragma once

#include <string>

#include <torch/types.h>

#include "trainer/comm/communicator.h"

namespace elbow::test {

// Over all ranks of the program; made by its main.
Communicator& ranks();

// Where tensors lie on which the communicator is tried: the host, or with --device=cuda the rank's
// GPU.
torch::Device device();

// A folder that all ranks see, made by rank 0; removed at the program's end.
const std::string& shared_folder();

}  // namespace elbow::test
