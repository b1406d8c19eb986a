#include "base/other_names.h"

#include <algorithm>
#include <optional>

#include "base/misspelling.h"

namespace elbow {
namespace {

struct GroupAndName {
  std::string group;  // empty where none is given
  std::string name;
};

GroupAndName split_key(std::string_view key) {
  std::string text(key);
  std::replace(text.begin(), text.end(), '-', '_');
  const auto dot = text.rfind('.');
  if (dot == std::string::npos) return {"", text};
  return {text.substr(0, dot), text.substr(dot + 1)};
}

// Letters weigh more than a group that is missing, and that more than another group.
std::optional<std::size_t> distance(const GroupAndName& given, const GroupAndName& known) {
  constexpr std::size_t kOneLetter = 4;
  constexpr std::size_t kNoGroup = 1;
  constexpr std::size_t kOtherGroup = 2;
  const auto name = misspelling(given.name, known.name);
  if (!name) return std::nullopt;
  if (given.group == known.group) return *name * kOneLetter;
  const bool one_group = given.group.empty() || known.group.empty();
  if (one_group || misspelling(given.group, known.group)) return *name * kOneLetter + kNoGroup;
  return *name * kOneLetter + kOtherGroup;
}

}  // namespace

// The names are those of Keras, Lightning, PyTorch's own examples, Hugging Face, LBANN and pythae.
const std::vector<Meaning>& other_names() {
  static const std::vector<Meaning> names = {
      {"dataset", "data.train"},
      {"data_path", "data.train"},
      {"train_data", "data.train"},
      {"train_file", "data.train"},
      {"input", "data.train"},
      {"targets", "data.labels"},
      {"val", "data.validation"},
      {"valid", "data.validation"},
      {"val_split", "data.validation"},
      {"validation_split", "data.validation"},
      {"eval_data", "data.validation"},
      {"model_type", "model.kind"},
      {"latent_dim", "model.latent"},
      {"latent_size", "model.latent"},
      {"latent_dims", "model.latent"},
      {"z_dim", "model.latent"},
      {"nz", "model.latent"},
      {"hidden", "model.widths"},
      {"hidden_dim", "model.widths"},
      {"hidden_dims", "model.widths"},
      {"hidden_size", "model.widths"},
      {"channels", "model.widths"},
      {"layers", "model.widths"},
      {"arch", "model.network"},
      {"architecture", "model.network"},
      {"backbone", "model.network"},
      {"num_layers", "model.depth"},
      {"num_heads", "model.heads"},
      {"patch_size", "model.patch"},
      {"reconstruction_loss", "model.likelihood"},
      {"batch_size", "training.batch"},
      {"bs", "training.batch"},
      {"num_epochs", "training.epochs"},
      {"max_epochs", "training.epochs"},
      {"n_epochs", "training.epochs"},
      {"random_seed", "training.seed"},
      {"kl_weight", "training.beta"},
      {"kld_weight", "training.beta"},
      {"kl_anneal", "training.kl_warmup"},
      {"loss", "training.objective"},
      {"num_samples", "training.draws"},
      {"importance_samples", "training.draws"},
      {"grad_clip", "training.clip"},
      {"max_grad_norm", "training.clip"},
      {"clip_grad_norm", "training.clip"},
      {"gradient_clip_val", "training.clip"},
      {"grad_accum", "training.accumulation"},
      {"accumulate_grad_batches", "training.accumulation"},
      {"gradient_accumulation_steps", "training.accumulation"},
      {"ema", "training.average"},
      {"ema_decay", "training.average"},
      {"gpu", "training.device"},
      {"gpus", "training.device"},
      {"cuda", "training.device"},
      {"accelerator", "training.device"},
      {"num_threads", "training.threads"},
      {"deterministic", "training.sum"},
      {"lr", "optimizer.rate"},
      {"learning_rate", "optimizer.rate"},
      {"optimizer", "optimizer.kind"},
      {"optim", "optimizer.kind"},
      {"wd", "optimizer.weight_decay"},
      {"lr_scheduler", "optimizer.schedule"},
      {"scheduler", "optimizer.schedule"},
      {"warmup_epochs", "optimizer.warmup"},
      {"lr_warmup", "optimizer.warmup"},
      {"eval_every", "evaluation.every"},
      {"early_stopping", "evaluation.patience"},
      {"save_every", "checkpoint.every"},
      {"save_steps", "checkpoint.every"},
      {"checkpoint_every", "checkpoint.every"},
      {"save_total_limit", "checkpoint.keep"},
      {"log_every", "metrics.every"},
      {"log_interval", "metrics.every"},
      {"log_every_n_steps", "metrics.every"},
      {"out", "run"},
      {"output", "run"},
      {"output_dir", "run"},
      {"save_dir", "run"},
      {"logdir", "run"},
      {"log_dir", "run"},
      {"run_dir", "run"},
      {"resume", "run"},
      {"resume_from_checkpoint", "run"},
      {"cfg", "config"},
      {"conf", "config"},
      {"init", "init-from"},
      {"pretrained", "init-from"},
      {"max_time", "time-limit"},
      {"walltime", "time-limit"},
      {"num_samples", "count"},
      {"dataset", "data"},
      {"input", "data"},
      {"out", "output"},
      {"save", "output"},
  };
  return names;
}

std::string nearest_meaning(std::string_view name, const std::vector<Meaning>& known) {
  const GroupAndName given = split_key(name);
  std::string best;
  std::optional<std::size_t> least;
  for (const Meaning& meaning : known) {
    const auto found = distance(given, split_key(meaning.name));
    if (!found || (least && *found >= *least)) continue;
    least = found;
    best = meaning.meant;
  }
  return best;
}

}  // namespace elbow
