#include "trainer/training/training_state.h"

#include <algorithm>

#include "base/error.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kParameters[] = "parameters.safetensors";
constexpr char kOptimizer[] = "optimizer.safetensors";
constexpr char kAverage[] = "average.safetensors";
constexpr char kBest[] = "best.safetensors";

Json to_json(const ValidationReport& report) {
  const Figures& figures = report.figures;
  return {{"step", report.step},
          {"samples", report.samples},
          {"epoch", report.epoch},
          {"count", figures.count},
          {"elbo", figures.elbo},
          {"reconstruction", figures.reconstruction},
          {"kl", figures.kl},
          {likelihood_key("log_likelihood", figures.given_c), figures.log_likelihood}};
}

// A figure that has no meaning for the model is NaN, and null in JSON.
ValidationReport validation_from_json(const StoredObject& stored) {
  ValidationReport report;
  report.step = stored.whole_number("step");
  report.samples = stored.whole_number("samples");
  report.epoch = stored.whole_number("epoch");
  report.figures.count = stored.whole_number("count");
  report.figures.elbo = stored.number("elbo");
  report.figures.reconstruction = stored.number("reconstruction");
  report.figures.kl = stored.number("kl");
  report.figures.given_c = stored.has(likelihood_key("log_likelihood", true));
  report.figures.log_likelihood =
      stored.number(likelihood_key("log_likelihood", report.figures.given_c));
  report.best = true;
  return report;
}

NamedTensors copies(const NamedTensors& views) {
  NamedTensors copied;
  for (const auto& [name, view] : views)
    copied.emplace(name, view.detach().to(torch::kCPU, view.scalar_type(), /*non_blocking=*/false,
                                          /*copy=*/true));
  return copied;
}

const NamedTensors& require_file(const Checkpoint& checkpoint, const std::string& name) {
  const auto found = checkpoint.files.find(name);
  if (found != checkpoint.files.end()) return found->second;
  throw CheckpointError(fmt::format("{} has no {}", checkpoint.folder.string(), name));
}

}  // namespace

Json to_json(const TrainingRecord& record) {
  return {{"stage", record.stage},
          {"step", record.step},
          {"samples", record.samples},
          {"skipped_samples", record.skipped_samples},
          {"skipped_steps", record.skipped_steps},
          {"skipped_in_a_row", record.skipped_in_a_row},
          {"usual_norm", record.usual_norm},
          {"best", record.best ? to_json(*record.best) : Json()},
          {"validations_without_gain", record.validations_without_gain},
          {"validation_due", record.validation_due}};
}

TrainingRecord training_record_from_json(const Json& json, const std::string& file) {
  const StoredObject stored(json, file, "record.");
  TrainingRecord record;
  record.stage = stored.whole_number("stage");
  record.step = stored.whole_number("step");
  record.samples = stored.whole_number("samples");
  record.skipped_samples = stored.whole_number("skipped_samples");
  record.skipped_steps = stored.whole_number("skipped_steps");
  record.skipped_in_a_row = stored.whole_number("skipped_in_a_row");
  record.usual_norm = stored.number("usual_norm");
  if (!stored.is_null("best")) record.best = validation_from_json(stored.object("best"));
  record.validations_without_gain = stored.whole_number("validations_without_gain");
  record.validation_due = stored.truth("validation_due");
  return record;
}

TrainingState::TrainingState(Procedure& procedure, const OptimizerOptions& optimizer,
                             double average_decay)
    : procedure_(procedure),
      options_(optimizer),
      parameters_(procedure),
      optimizer_(make_optimizer(optimizer, parameters_)),
      average_decay_(average_decay) {
  if (average_decay > 0) average_ = parameters_.values().clone();
}

void TrainingState::begin_stage(std::int64_t stage) {
  if (stage < 0 || stage >= static_cast<std::int64_t>(procedure_.stages().size())) {
    throw CheckpointError(fmt::format("the record of the checkpoint is damaged: stage {}", stage));
  }
  record_.stage = stage;
  record_.best.reset();
  record_.validations_without_gain = 0;
  record_.skipped_in_a_row = 0;
  best_ = torch::Tensor();
  procedure_.begin_stage(stage);
  optimizer_ = make_optimizer(options_, parameters_);
  follow_constants();
}

void TrainingState::follow() {
  if (!has_average()) return;
  const auto t = static_cast<double>(optimizer_->steps());
  const double decay = std::min(average_decay_, (1.0 + t) / (10.0 + t));
  average_.lerp_(parameters_.values(), 1.0 - decay);
}

void TrainingState::follow_constants() {
  if (!has_average()) return;
  for (const auto& entry : parameters_.entries()) {
    if (entry.value.requires_grad()) continue;
    FlatParameters::view(average_, entry).copy_(FlatParameters::view(parameters_.values(), entry));
  }
}

void TrainingState::with_average(const std::function<void()>& action) {
  torch::Tensor& values = parameters_.values();
  const torch::Tensor live = values.clone();
  values.copy_(average_);
  try {
    action();
  } catch (const std::exception&) {
    values.copy_(live);
    throw;
  }
  values.copy_(live);
}

NamedTensors TrainingState::named(const torch::Tensor& flat, const std::string& prefix) {
  NamedTensors tensors;
  if (!flat.defined()) return tensors;
  for (const auto& entry : parameters_.entries()) {
    tensors.emplace(prefix + entry.name, FlatParameters::view(flat, entry));
  }
  return tensors;
}

NamedTensors TrainingState::named_parameters() { return named(parameters_.values()); }
NamedTensors TrainingState::named_average() { return named(average_); }

NamedTensors TrainingState::named_best() {
  return named(best_.defined() ? best_ : parameters_.values());
}

std::vector<StateFile> TrainingState::files() {
  NamedTensors optimizer;
  for (const auto& [name, flat] : optimizer_->state()) optimizer.merge(named(flat, name + "."));
  optimizer.emplace("steps", torch::full({1}, optimizer_->steps(), torch::kLong));
  std::vector<StateFile> files = {{kParameters, copies(named_parameters())},
                                  {kOptimizer, copies(optimizer)}};
  if (average_.defined()) files.push_back({kAverage, copies(named(average_))});
  if (best_.defined()) files.push_back({kBest, copies(named(best_))});
  return files;
}

void TrainingState::restore(const Checkpoint& checkpoint) {
  const auto path = [&](const char* name) { return checkpoint.folder / name; };
  TrainingRecord record =
      training_record_from_json(checkpoint.manifest.record, path("manifest.json").string());
  begin_stage(record.stage);
  assign(named_parameters(), require_file(checkpoint, kParameters), path(kParameters));
  torch::Tensor steps = torch::zeros({1}, torch::kLong);
  NamedTensors optimizer = {{"steps", steps}};
  for (const auto& [name, flat] : optimizer_->state()) optimizer.merge(named(flat, name + "."));
  assign(optimizer, require_file(checkpoint, kOptimizer), path(kOptimizer));
  optimizer_->set_steps(steps.item<std::int64_t>());
  if (average_.defined()) {
    assign(named(average_), require_file(checkpoint, kAverage), path(kAverage));
  }
  if (record.best) {
    best_ = torch::zeros_like(parameters_.values());
    assign(named(best_), require_file(checkpoint, kBest), path(kBest));
  }
  record_ = std::move(record);
  resumed_from_ = checkpoint.folder;
}

void TrainingState::share(Communicator& comm) {
  // Only rank 0 writes the best parameters; the others need the record of them alone.
  const TrainingRecord record = training_record_from_json(
      Json::parse(broadcast_text(comm, to_json(record_).dump(), 0)), "the record of rank 0");
  if (record.stage != record_.stage) begin_stage(record.stage);
  record_ = record;
  for (const auto& [name, tensor] : replicated()) {
    torch::Tensor shared = tensor;
    comm.broadcast(shared, 0);
  }
  torch::Tensor steps = torch::full({1}, optimizer_->steps(), torch::kLong);
  comm.broadcast(steps, 0);
  optimizer_->set_steps(steps.item<std::int64_t>());
  resumed_from_ = broadcast_text(comm, resumed_from_.string(), 0);
}

NamedViews TrainingState::replicated() {
  NamedViews views;
  for (const auto& [name, tensor] : named_parameters()) views.emplace_back(name, tensor);
  for (const auto& [name, flat] : optimizer_->state()) {
    views.emplace_back("the optimiser's " + name, flat);
  }
  if (average_.defined()) views.emplace_back("the average of the parameters", average_);
  return views;
}

}  // namespace elbow
