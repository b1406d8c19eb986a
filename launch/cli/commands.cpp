#include "launch/cli/commands.h"

#include "trainer/comm/together.h"

namespace elbow {

Action on_rank_0(std::function<void()> work) {
  return [work = std::move(work)](Communicator& comm) {
    together(comm, [&] {
      if (comm.rank() == 0) work();
    });
  };
}

}  // namespace elbow
