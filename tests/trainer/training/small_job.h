// A training small enough to be run many times: 4 x 4 grey images, a narrow VAE, a few steps.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/loader.h"
#include "tests/data/h5_files.h"
#include "trainer/comm/communicator.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/model/model.h"
#include "trainer/training/batches.h"
#include "trainer/training/loop.h"
#include "trainer/training/training_set.h"

namespace elbow::test {

// Writes `samples` images to a file under /images.
inline void write_small_images(const std::string& file, std::int64_t samples) {
  write_bytes(file, "/images", {static_cast<hsize_t>(samples), 4, 4});
}

class SmallJob {
 public:
  SmallJob(const std::string& file, std::int64_t held_out,
           const std::string& likelihood = "gaussian", const std::string& network = "mlp") {
    data_.train = {file + ":/images"};
    data_.validation = std::to_string(held_out);
    training.batch = 8;
    training.epochs = 2;
    training.seed = 5;
    model_.latent = 3;
    model_.likelihood = likelihood;
    model_.widths = {6};
    model_.network = network;
    set_ = std::make_unique<TrainingSet>(data_, seed());
    const bool floats = set_->images().type() == ValueType::kFloat32;
    observation_ = std::make_unique<Observation>(
        ObservationOptions{floats ? "raw" : "auto", "auto"},
        StoredRows{set_->images().row_shape(), set_->images().type()}, model_.likelihood);
    procedure_ = make_model(model_, *observation_, seed());
  }

  // What happened, step by step. Each batch is what this rank used: global index and first pixel of
  // x, which carries the dither, so that equal pairs mean equal samples with equal noise.
  struct History {
    std::vector<StepReport> steps;
    std::vector<std::vector<std::pair<std::int64_t, float>>> batches;
    TrainingEnd end = TrainingEnd::kFinished;
    TrainingRecord record;
  };

  // A job over this state, to be completed and trained by the caller.
  TrainingJob job(Communicator& comm) {
    if (!state_) {
      state_ = std::make_unique<TrainingState>(*procedure_, optimizer, training.average);
    }
    return {comm,     *procedure_, *observation_, set_->images(), set_->order(),
            training, *state_,     optimizer,     skip_not_finite};
  }

  History train(Communicator& comm) {
    History history;
    TrainingJob training_job = job(comm);
    std::vector<std::pair<std::int64_t, float>> pairs;
    training_job.on_step = [&](const StepReport& report) {
      history.steps.push_back(report);
      history.batches.push_back(std::exchange(pairs, {}));
    };
    training_job.on_shard = [&](const Batch& batch) {
      const auto epoch =
          static_cast<std::uint32_t>(static_cast<std::int64_t>(history.batches.size()) /
                                     Course(set_->order().size(), training).steps_per_epoch());
      const torch::Tensor x = observation_->x(batch, {seed(), 0, epoch}).flatten(1);
      for (std::size_t i = 0; i < batch.indices.size(); ++i) {
        pairs.emplace_back(batch.indices[i], x[static_cast<std::int64_t>(i)][0].item<float>());
      }
    };
    history.end = elbow::train(training_job);
    history.record = state_->record();
    return history;
  }

  // All parameters, optimiser state and averages that a checkpoint would hold, in one tensor.
  torch::Tensor everything() {
    std::vector<torch::Tensor> values;
    for (const StateFile& file : state_->files()) {
      for (const auto& [name, tensor] : file.tensors) {
        values.push_back(tensor.flatten().to(torch::kDouble));
      }
    }
    return torch::cat(values);
  }

  Figures evaluate(Communicator& comm, std::int64_t block, ImageSink sink = nullptr) {
    EvaluationOptions options;
    options.samples = 7;
    options.block = block;
    DataSet data = set_->images();
    return elbow::evaluate({comm,
                            *procedure_,
                            *observation_,
                            data,
                            {data.size(), [](std::int64_t i) { return i; }},
                            options,
                            seed(),
                            skip_not_finite,
                            std::move(sink)});
  }

  TrainingSet& set() { return *set_; }
  TrainingState& state() { return *state_; }
  Procedure& procedure() { return *procedure_; }
  const Observation& observation() const { return *observation_; }
  std::uint64_t seed() const { return static_cast<std::uint64_t>(training.seed); }

  TrainingOptions training;
  OptimizerOptions optimizer;
  bool skip_not_finite = false;

 private:
  DataOptions data_;
  ModelOptions model_;
  std::unique_ptr<TrainingSet> set_;
  std::unique_ptr<Observation> observation_;
  std::shared_ptr<Procedure> procedure_;
  std::unique_ptr<TrainingState> state_;
};

}  // namespace elbow::test
