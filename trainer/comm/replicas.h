// Whether all ranks hold the same bits.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "trainer/comm/communicator.h"

namespace elbow {

using NamedViews = std::vector<std::pair<std::string, torch::Tensor>>;

// Collective. Throws SharedError on every rank unless all hold the same bytes under each name,
// naming the ranks in the minority (both of two) and the first tensor that differs; `when`
// completes
// "... differ" in the message. Tensors are contiguous.
void require_same_replicas(Communicator& comm, const NamedViews& tensors, const std::string& when);

}  // namespace elbow
