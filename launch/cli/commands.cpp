#include "launch/cli/commands.h"

#include <limits>

#include "trainer/comm/together.h"
#include "trainer/comm/watch/watchdog.h"

namespace elbow {

Action on_rank_0(std::function<void()> work) {
  return [work = std::move(work)](Communicator& comm) {
    if (Watchdog* const watchdog = comm.watchdog()) {
      WatchLimits limits;  // the others wait for as long as it takes
      limits.collective = limits.straggler = std::numeric_limits<double>::infinity();
      watchdog->set_limits(limits);
    }
    together(comm, [&] {
      if (comm.rank() == 0) work();
    });
  };
}

void add_model_options(CLI::App& command, ModelArguments& arguments) {
  command.add_option("RUN", arguments.run, "run directory made by 'elbow train'")->required();
  command
      .add_option("--parameters", arguments.parameters,
                  "best by validation, the last, or their running mean [best]")
      ->check(CLI::IsMember({"best", "last", "average"}));
  command
      .add_option("--model.encoder", arguments.own.encoder,
                  "for a model of your own networks: the encoder's file, as in training")
      ->type_name("FILE");
  command.add_option("--model.decoder", arguments.own.decoder, "the same of the decoder")
      ->type_name("FILE");
}

}  // namespace elbow
