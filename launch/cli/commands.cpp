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

void add_model_options(CLI::App& command, std::string& run, std::string& parameters) {
  command.add_option("RUN", run, "run directory made by 'elbow train'")->required();
  command
      .add_option("--parameters", parameters,
                  "best by validation, the last, or their running mean [best]")
      ->check(CLI::IsMember({"best", "last", "average"}));
}

}  // namespace elbow
