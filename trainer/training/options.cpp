#include "trainer/training/options.h"

#include "base/interval.h"

namespace elbow {

void declare(OptionTable& table, TrainingOptions& options) {
  table.add("training.batch", &options.batch, "samples in a step, over the whole job",
            between(1, 1 << 24));
  // A run may be made longer, and no shorter: who takes it up sees to that.
  table
      .add("training.epochs", &options.epochs,
           "passes over the training set; more of them extend a run, a finished one as well",
           between(1, 1e6))
      .may_change = true;
  table
      .add("training.later_epochs", &options.later_epochs,
           "the same for each stage after the first, where a model is trained in several (lord); "
           "0: as many",
           between(0, 1e6))
      .may_change = true;
  table.add("training.seed", &options.seed, "key of all random numbers", at_least(0));
  table.add("training.draws", &options.draws, "draws of z for each sample of a step",
            between(1, 10000));
  table.add("training.objective", &options.objective,
            "what is maximised. elbo: the bound on log p(x); iwae: the tighter bound of "
            "training.draws importance-weighted draws; dreg: the same with the doubly "
            "reparameterised gradient of the encoder",
            one_of({"elbo", "iwae", "dreg"}));
  table.add("training.beta", &options.beta,
            "weight of the KL in an elbo objective: above 1 it is no bound on log p(x) any more, "
            "and the ELBO is reported beside it",
            between(0, 1e6));
  table.add("training.kl_warmup", &options.kl_warmup,
            "epochs over which the weight of the KL rises from 0 to training.beta", at_least(0));
  table.add("training.free_bits", &options.free_bits,
            "nats of KL that each latent may have at no cost, as a mean over the batch; 0: none",
            at_least(0));
  table.add("training.sum", &options.sum,
            "how gradients are summed over the ranks: fast gives the same bits for the same number "
            "of ranks, reproducible at any number",
            one_of({"fast", "reproducible"}));
  table.add("training.shards", &options.shards,
            "shards of a batch with reproducible sums; no more ranks than these find work",
            between(1, 4096));
  table.add("training.accumulation", &options.accumulation,
            "pieces in which each shard is computed, one after another, so that less memory is "
            "needed",
            between(1, 4096));
  table.add("training.device", &options.device,
            "where the model is computed: cpu, or cuda: one NVIDIA GPU a rank",
            one_of({"cpu", "cuda"}));
  table.add("training.threads", &options.threads,
            "threads of a rank; part of the run, so that its bits don't depend on the machine",
            between(1, 1024));
  table.add("training.clip", &options.clip, "largest norm of the gradient; 0: no clipping",
            at_least(0));
  table.add("training.average", &options.average,
            "decay a step of the exponential moving average of the parameters, such as 0.999; 0: "
            "none is kept",
            between(0, 0.9999999));
  table.add("training.not_finite", &options.not_finite,
            "what a step does whose ELBO or gradient is not finite: stop the run, or be skipped",
            one_of({"stop", "skip"}));
  table.add("training.spike", &options.spike,
            "a step is skipped when its gradient is so many times as long as the mean of the steps "
            "before, such as 10; 0: none is",
            [](double value) { return value == 0 || value > 1 ? "" : "must be above 1, or 0"; });
  table
      .add("training.compare", &options.compare,
           "how often the ranks' parameters are compared, beside the beginning and the end: N "
           "steps, N epochs, never",
           TextCheck(interval_problem))
      .may_change = true;
}

}  // namespace elbow
