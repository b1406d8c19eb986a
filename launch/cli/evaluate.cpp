// elbow evaluate
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/log.h"
#include "base/print.h"
#include "base/text.h"
#include "data/rows_file.h"
#include "launch/cli/commands.h"
#include "launch/cli/configuration.h"
#include "launch/cli/output.h"
#include "launch/cli/used_model.h"
#include "trainer/comm/together.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/run/checkpoint.h"
#include "trainer/run/saved_model.h"
#include "trainer/training/row_table.h"

namespace elbow {
namespace {

constexpr int kEvaluationFormat = 1;
// Below so many, one draw in an image decides: the estimate is biased low and its error underrated.
constexpr double kFewEffectiveDraws = 5;

struct EvaluateArguments {
  UseArguments use;
  bool training = false;
  bool marginal = false;
  std::int64_t samples = 0;  // 0: the run's
  std::string per_image;
};

// Per-image values, [count] each, in the order of the data set.
class ImageColumns {
 public:
  ImageColumns(const std::string& path, std::int64_t count, const std::vector<OwnFigure>& own,
               bool given_c)
      : file_(path, count, columns(own, given_c)) {}

  void add(std::span<const std::int64_t> indices, const BlockFigures& figures) {
    const std::vector<double> index(indices.begin(), indices.end());
    std::vector<std::span<const std::byte>> columns;
    for (const auto* values :
         {&index, &figures.elbo, &figures.reconstruction, &figures.kl, &figures.log_likelihood,
          &figures.effective_sample_size, &figures.log_likelihood_variance}) {
      columns.push_back(std::as_bytes(std::span(*values)));
    }
    for (const auto& values : figures.own) columns.push_back(std::as_bytes(std::span(values)));
    file_.append(columns);
  }
  void finish() { file_.finish(); }

 private:
  static std::vector<RowColumn> columns(const std::vector<OwnFigure>& own, bool given_c) {
    std::vector<RowColumn> columns = {{"index"},
                                      {"elbo"},
                                      {"reconstruction"},
                                      {"kl"},
                                      {likelihood_key("log_likelihood", given_c)},
                                      {"effective_sample_size"},
                                      {"log_likelihood_variance"}};
    for (const OwnFigure& figure : own) columns.push_back({figure.name});
    return columns;
  }

  RowsFile file_;
};

std::string line(const std::string& name, double value, const std::string& rest) {
  return fmt::format("  {:<16} {:>12.4f} {}\n", name, value, rest);
}

// log p(x), or of x given c: from draws, with both errors, or exact.
std::string likelihood_lines(const Figures& figures, bool drawn) {
  const std::string name = likelihood_text(figures.given_c);
  if (!drawn) {
    return line(name, figures.log_likelihood,
                fmt::format("exact; +- {:.4f} over images", figures.standard_error));
  }
  const bool few = figures.effective_sample_size < kFewEffectiveDraws;
  return line(name, figures.log_likelihood,
              fmt::format("importance-sampled; +- {:.4f} over images, +- {:.4f} Monte Carlo",
                          figures.standard_error, figures.monte_carlo_error)) +
         line("effective draws", figures.effective_sample_size,
              fmt::format("of {}{}", figures.samples,
                          few ? fmt::format("; few: the true {} is likely higher, more --samples "
                                            "tell",
                                            name)
                              : ""));
}

std::string to_text(const Figures& figures, const Observation& observation) {
  const bool drawn = !std::isnan(figures.effective_sample_size);
  const std::string draws =
      drawn ? fmt::format(", {} draws of z each", figures.samples) : std::string();
  std::string text = fmt::format("{} samples{}; nats per sample, {}\n", human_count(figures.count),
                                 draws, observation.measure_text());
  if (figures.skipped_count > 0) {
    text += fmt::format("  {} left out: a NaN or an infinity in them\n",
                        counted(figures.skipped_count, "sample"));
  }
  const std::string reason = observation.no_likelihood_reason();
  if (!std::isnan(figures.reconstruction)) {
    text += line("reconstruction", figures.reconstruction, "");
  }
  if (!std::isnan(figures.kl)) text += line("KL", figures.kl, "");
  if (!reason.empty()) return text + "  no likelihood is claimed: " + reason + "\n";
  if (!std::isnan(figures.elbo))
    text += line("ELBO", figures.elbo, figures.given_c ? "of x given c" : "");
  if (!std::isnan(figures.log_likelihood)) text += likelihood_lines(figures, drawn);
  for (const auto& [figure, value] : figures.own) {
    text += line(figure.name, value,
                 std::isinf(value) ? figure.what + ": " + figure.why_infinite : figure.what);
  }
  if (!figures.missing_reason.empty()) text += "  " + figures.missing_reason + "\n";
  if (std::isnan(figures.log_likelihood)) return text;
  if (const auto bits = observation.bits_per_dim(figures.log_likelihood)) {
    text += line(figures.given_c ? "bits/dim given c" : "bits/dim", *bits, "");
  }
  return text;
}

// The codes that the training samples learned are in the newest checkpoint, beside the parameters
// that they were learned with.
std::unique_ptr<LearnedRows> learned_rows(const RunPaths& paths, const SavedModel& saved) {
  const std::int64_t width = saved.procedure->row_width();
  if (width == 0) return nullptr;
  const auto checkpoint = load_newest_checkpoint(paths.checkpoints());
  if (!checkpoint) {
    throw CheckpointError(fmt::format(
        "{} holds no checkpoint, and with it none of the codes that were learned in training",
        paths.checkpoints().string()));
  }
  const auto found = checkpoint->files.find("parameters.safetensors");
  if (found == checkpoint->files.end() || content_hash(found->second) != saved.parameters_hash) {
    throw CheckpointError(fmt::format(
        "the codes in {} were learned with other parameters than those of this model: give "
        "--parameters last, and bring an unfinished run to its end first",
        checkpoint->folder.string()));
  }
  return std::make_unique<LearnedRows>(checkpoint->folder, width);
}

// What is evaluated, under which parameters.
struct Subject {
  UsedModel model;
  SampleRange range;
  std::unique_ptr<LearnedRows> rows;  // where samples have them, and were trained on
  EvaluationOptions options;
};

// Figures are those of the labelled classes, also where the model could read them from x.
Subject open_subject(const EvaluateArguments& arguments, Communicator& comm) {
  together(comm, [&] {
    if (arguments.training == arguments.use.data.empty()) return;
    throw ConfigError(
        "evaluate takes either --data DATA, or --training for the samples that the run was trained "
        "on");
  });
  Subject subject{use_model(comm, arguments.use, LabelsOf::kConditioned), {}, nullptr, {}};
  UsedModel& model = subject.model;
  subject.range = arguments.training
                      ? use_samples_of_run(comm, model, RunPart::kTraining, LabelsOf::kConditioned)
                      : first_samples(model.given->data.size());
  subject.options.block = arguments.use.block;
  subject.options.marginal = arguments.marginal;
  together(comm, [&] {
    if (arguments.training) subject.rows = learned_rows(model.paths, model.saved);
    subject.options.samples =
        arguments.samples > 0
            ? arguments.samples
            : stored_configuration(model.paths.configuration()).evaluation.samples;
  });
  return subject;
}

void write_figures(const EvaluateArguments& arguments, const Subject& subject,
                   const Figures& figures, const std::filesystem::path& output) {
  const SavedModel& saved = subject.model.saved;
  const nlohmann::ordered_json about = {
      {"format_version", kEvaluationFormat},
      {"data", arguments.training ? subject.model.given->data.name() : arguments.use.data},
      {"data_fingerprint", subject.model.data_fingerprint},
      {"parameters", arguments.use.model.parameters},
      {"parameters_hash", saved.parameters_hash},
      {"training_samples", arguments.training},
      {"seed", saved.record.seed},
      {"block", arguments.use.block},
      {"threads", arguments.use.threads}};
  print(to_text(figures, saved.file.observation));
  write_file_atomically(output, to_json(figures, saved.file.observation, about).dump(2) + "\n");
  print(fmt::format("written to {}\n", output.string()));
}

void run_evaluate(const EvaluateArguments& arguments, Communicator& comm) {
  Subject subject = open_subject(arguments, comm);
  const SavedModel& saved = subject.model.saved;
  std::unique_ptr<ImageColumns> columns;
  std::filesystem::path output = arguments.use.output;
  together(comm, [&] {
    if (comm.rank() != 0) return;
    const RunPaths& paths = subject.model.paths;
    if (output.empty()) {
      output = arguments.training ? paths.training_evaluation() : paths.evaluation();
    }
    require_writable(output);
    if (!arguments.per_image.empty()) {
      columns = std::make_unique<ImageColumns>(
          arguments.per_image, subject.range.count,
          saved.procedure->own_figures({subject.options.samples, subject.options.marginal}),
          saved.file.conditioning.size() > 0);
    }
  });

  std::unique_ptr<Progress> progress;
  if (comm.rank() == 0) progress = std::make_unique<Progress>(subject.range.count, 0);
  EvaluationJob job{.comm = comm,
                    .procedure = *saved.procedure,
                    .observation = saved.file.observation,
                    .data = subject.model.given->data,
                    .range = subject.range,
                    .options = subject.options,
                    .seed = saved.record.seed,
                    .skip_not_finite = arguments.use.nan == "skip",
                    .conditioning = saved.file.conditioning,
                    .labels = subject.model.given->labels_or_null()};
  if (columns) {
    job.sink = [&](auto indices, const BlockFigures& block) { columns->add(indices, block); };
  }
  if (subject.rows) job.rows = [&](auto indices) { return subject.rows->rows(indices); };
  job.progress = [&](std::int64_t done) {
    ProgressState state;
    state.samples = done;
    state.note = "evaluating";
    progress->update(state);
  };
  const Figures figures = evaluate(job);

  together(comm, [&] {
    if (comm.rank() != 0) return;
    progress->finish();
    if (columns) columns->finish();
    write_figures(arguments, subject, figures, output);
  });
}

}  // namespace

void add_evaluate_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<EvaluateArguments>();
  CLI::App* command = program.add_subcommand(
      "evaluate",
      "The likelihood of a data set under a trained model: ELBO, reconstruction, KL and the\n"
      "importance-sampled log p(x), each sample counted exactly once. The same bytes at any "
      "number\n"
      "of ranks.\n\n"
      "  mpirun -n 2 elbow evaluate runs/first --data fashion.h5:/test/images --samples 100");
  add_use_options(*command, arguments->use);
  add_data_options(*command, arguments->use);
  command->add_flag("--training", arguments->training,
                    "instead of --data: the samples that the run was trained on, each with the "
                    "code that it learned where the model has such");
  command->add_flag(
      "--marginal", arguments->marginal,
      "for a model conditioned on classes: log p(x) over all of them and p(c | x), at "
      "the cost of as many evaluations");
  command
      ->add_option(
          "--samples", arguments->samples,
          "draws of z a sample; the estimate rises with it [evaluation.samples of the run]")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{10000000}))
      ->type_name("K");
  command
      ->add_option(
          "--output", arguments->use.output,
          "figures as JSON [RUN/evaluation.json, of --training RUN/evaluation-training.json]")
      ->type_name("FILE");
  command
      ->add_option("--per-image", arguments->per_image,
                   "also write every sample's figures to this HDF5 file")
      ->type_name("FILE");
  add_nan_option(*command, arguments->use, "");
  command->callback([arguments, &action] {
    action = [arguments](Communicator& comm) { run_evaluate(*arguments, comm); };
  });
}

}  // namespace elbow
