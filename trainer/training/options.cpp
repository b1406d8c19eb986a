#include "trainer/training/options.h"

namespace elbow {

void declare(OptionTable& table, TrainingOptions& options) {
  table.add("training.batch", &options.batch, "samples in a step, over the whole job",
            between(1, 1 << 24));
  table.add("training.epochs", &options.epochs, "passes over the training set", between(1, 1e6));
  table.add("training.seed", &options.seed, "key of all random numbers", at_least(0));
  table.add("training.draws", &options.draws, "draws of z for each sample of a step",
            between(1, 10000));
  table.add("training.objective", &options.objective, "what is maximised", one_of({"elbo"}));
  table.add("training.sum", &options.sum,
            "how gradients are summed over the ranks: fast gives the same bits for the same number "
            "of ranks",
            one_of({"fast"}));
  table.add("training.threads", &options.threads,
            "threads of a rank; part of the run, so that its bits don't depend on the machine",
            between(1, 1024));
  table.add("training.clip", &options.clip, "largest norm of the gradient; 0: no clipping",
            at_least(0));
}

}  // namespace elbow
