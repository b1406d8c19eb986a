// elbow sample
#include <algorithm>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "base/print.h"
#include "base/text.h"
#include "launch/cli/commands.h"
#include "launch/cli/given_condition.h"
#include "launch/cli/image_output.h"
#include "launch/cli/used_model.h"
#include "trainer/comm/together.h"
#include "trainer/evaluation/pictures.h"

namespace elbow {
namespace {

// Small, since a hundred samples are to be shared by some ranks, and an image may be long to draw.
constexpr std::int64_t kBlock = 32;

struct SampleArguments {
  UseArguments use;
  std::int64_t count = 100;
  bool draw = false;
  std::vector<double> condition;  // the same for all samples; empty: the classes in turn
};

// Classes in turn stand in columns.
GridStyle style(const SampleArguments& arguments, const Conditioning& conditioning) {
  constexpr std::ptrdiff_t kMostColumns = 20;
  GridStyle style;
  const bool in_turn = conditioning.is_classes() && arguments.condition.empty();
  if (in_turn) {
    style.columns = static_cast<int>(std::min(kMostColumns, std::ssize(conditioning.met())));
  }
  return style;
}

ImageJob job_of(const SampleArguments& arguments, const UsedModel& model, Communicator& comm) {
  const Conditioning& conditioning = model.conditioning();
  const auto labels = [&](std::span<const std::int64_t> indices) {
    return labels_of(indices, arguments.condition, conditioning);
  };
  ImageJob job{{comm, first_samples(arguments.count)}, "drawing", {}, {}, {}};
  job.compute = [&model, &arguments, &conditioning, labels](const Batch& batch) {
    const torch::Tensor given = labels(batch.indices);
    const torch::Tensor c = given.defined() ? conditioning.c(given) : given;
    return BlockRows{model.procedure().sample(batch.indices, c, model.noise(),
                                              arguments.draw ? Show::kDraw : Show::kMean)};
  };
  if (conditioning.is_classes()) {
    job.columns.push_back(
        {"labels", [labels](auto indices) { return labels(indices).squeeze(1).to(torch::kLong); }});
  } else if (conditioning.size() > 0) {
    job.columns.push_back({"labels", labels});
  }
  job.picture = [&](const BlockRows& all) {
    return grid(to_images(model.observation(), all[0]), style(arguments, conditioning));
  };
  return job;
}

void run_sample(const SampleArguments& arguments, Communicator& comm) {
  const UsedModel model = use_model(comm, arguments.use);
  ImageOutput output;
  together(comm, [&] {
    require_condition(arguments.condition, model.conditioning());
    output = image_output(model, arguments.use.output, arguments.draw ? "samples-draws" : "samples",
                          comm.rank() == 0);
    require_few_pictures(output, arguments.count, "--count");
  });
  write_images(model, arguments.use, output, job_of(arguments, model, comm));
  if (comm.rank() != 0) return;
  print(fmt::format("{}, {}: {}\n", counted(arguments.count, "sample"),
                    arguments.draw ? "drawn with their noise" : "means without their noise",
                    output.path.string()));
}

}  // namespace

void add_sample_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<SampleArguments>();
  arguments->use.block = kBlock;
  CLI::App* command = program.add_subcommand(
      "sample",
      "Draw new samples from a trained model: a grid of pictures, or any number of samples as a\n"
      "data set. The same bytes at any number of ranks.\n\n"
      "  elbow sample runs/first --count 100\n"
      "  mpirun -n 2 elbow sample runs/first --draw --count 60000 --output new.h5");
  add_use_options(*command, arguments->use);
  command->add_option("--count", arguments->count, "how many [100]")
      ->check(CLI::Range(std::int64_t{1}, std::numeric_limits<std::int64_t>::max()))
      ->type_name("N");
  add_seed_option(*command, arguments->use, "the noise");
  command->add_flag("--draw", arguments->draw,
                    "draws from p(x | z), with its noise, instead of its means");
  command
      ->add_option(
          "--condition", arguments->condition,
          "for a conditioned model: the class, or the values, of all samples [each class in turn]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("C");
  command
      ->add_option("--output", arguments->use.output,
                   "F.png, or F.h5 for /images (and /labels) [RUN/samples/samples.png; samples.h5 "
                   "for samples that are no pictures]")
      ->type_name("FILE");
  command->callback([arguments, &action] {
    action = [arguments](Communicator& comm) { run_sample(*arguments, comm); };
  });
}

}  // namespace elbow
