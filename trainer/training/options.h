// What a training run is told.
#pragma once

#include <cstdint>
#include <string>

#include "base/options.h"

namespace elbow {

struct TrainingOptions {
  std::int64_t batch = 256;  // samples of a step, over the whole job
  std::int64_t epochs = 20;
  std::int64_t later_epochs = 0;  // of each stage after the first; 0: as many
  std::int64_t seed = 1;
  std::int64_t draws = 1;          // L: draws of z a sample
  std::string objective = "elbo";  // or iwae, dreg
  double beta = 1.0;               // weight of the KL in an elbo objective
  double kl_warmup = 0.0;          // epochs over which that weight rises from 0
  double free_bits = 0.0;          // nats of KL a latent that cost nothing
  std::string sum = "fast";        // or reproducible
  std::int64_t shards = 8;         // V: of a batch, with reproducible sums
  std::int64_t accumulation = 1;   // pieces in which a shard is computed, one after another
  std::string device = "cpu";      // or cuda
  std::int64_t threads = 1;        // of a rank
  double clip = 0.0;               // largest norm of the mean gradient; 0: none
  double average = 0.0;            // decay of the parameters' running mean a step; 0: none
  // What a step does whose ELBO or gradient is not finite: stop the run, or skip.
  std::string not_finite = "stop";
  // A step is skipped whose gradient is so many times as long as usual; 0: none.
  double spike = 0.0;
  std::string compare = "1000 steps";  // an Interval: how often replicas are compared
};

void declare(OptionTable& table, TrainingOptions& options);

}  // namespace elbow
