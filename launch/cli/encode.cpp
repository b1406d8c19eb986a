// elbow encode
#include <limits>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "base/print.h"
#include "base/text.h"
#include "launch/cli/commands.h"
#include "launch/cli/output.h"
#include "launch/cli/used_model.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

// Columns of a block, [B, ...] each.
struct Codes {
  std::vector<std::string> names;
  BlockRows rows;

  void add(const char* name, const torch::Tensor& values) {
    if (!values.defined()) return;
    names.emplace_back(name);
    rows.push_back(values.to(torch::kCPU));
  }
};

// [B, row shape of the labels]
torch::Tensor labels_of(const Batch& batch, const DataSet& labels) {
  std::vector<std::int64_t> shape = {batch.count()};
  shape.insert(shape.end(), labels.row_shape().begin(), labels.row_shape().end());
  return torch::tensor(batch.labels, torch::kDouble).view(shape);
}

// Samples that are not finite are computed as zeros, since a code that is fitted to a block would
// else not come to its end, and have no code.
Codes encode(const UsedModel& model, const Batch& batch, const DataSet* labels) {
  const torch::NoGradGuard no_grad;
  Shard shard = model.shard(batch);
  const torch::Tensor lost = torch::tensor(batch.not_finite, torch::kLong);
  shard.x.index_fill_(0, lost.to(shard.x.device()), 0);
  const Code code = model.procedure().encode(shard);
  Codes codes;
  codes.add("mean", code.mean);
  codes.add("deviation", code.deviation);
  if (model.procedure().condition_from_x()) {
    codes.add("condition", model.procedure().condition(shard));
  }
  for (torch::Tensor& rows : codes.rows) {
    rows.index_fill_(0, lost, std::numeric_limits<double>::quiet_NaN());
  }
  if (labels != nullptr) codes.add("labels", labels_of(batch, *labels));
  return codes;
}

void say(const std::vector<std::string>& names, std::int64_t count, std::int64_t lost,
         const std::string& data, const fs::path& output) {
  std::string text = fmt::format("{} of {} samples of {}: {}\n", join(names, ", "),
                                 human_count(count), data, output.string());
  if (lost > 0) {
    text += fmt::format("NaN in place of the codes of {} with a NaN or an infinity\n",
                        counted(lost, "sample"));
  }
  print(text);
}

void run_encode(const UseArguments& arguments, Communicator& comm) {
  const UsedModel model = use_model(comm, arguments);
  const GivenData& given = *model.given;
  const fs::path output =
      arguments.output.empty() ? model.paths.root / "codes.h5" : fs::path(arguments.output);
  const std::int64_t count = given.data.size();
  std::unique_ptr<Table> table;
  const std::optional<DataSet>& labels = given.labels ? given.labels : given.other_labels;
  together(comm, [&] {
    require_codes(model);
    require_table(output);
    if (comm.rank() != 0) return;
    require_writable(output);
    table = std::make_unique<Table>(output, count, model.about(arguments));
  });
  std::vector<std::string> names;
  std::int64_t lost = 0;
  const auto compute = [&](const Batch& batch) {
    if (arguments.nan == "stop") {
      refuse_not_finite(batch, given.data, ", or leave such samples out with --data.nan skip");
    }
    Codes codes = encode(model, batch, labels ? &*labels : nullptr);
    names = codes.names;
    return codes.rows;
  };
  const auto sink = [&](auto, const BlockRows& rows) {
    lost += rows[0].isnan().any(1).sum().template item<std::int64_t>();
    table->add(names, rows);
  };
  for_each_block_shown(
      {comm, first_samples(count), arguments.block, &given.data, labels ? &*labels : nullptr},
      "encoding", compute, sink);
  together(comm, [&] {
    if (comm.rank() != 0) return;
    if (lost == count) {
      throw DataError(
          fmt::format("every sample of {} holds a NaN or an infinity: there is nothing to encode",
                      given.data.name()));
    }
    table->finish();
    say(names, count, lost, given.data.name(), output);
  });
}

}  // namespace

void add_encode_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<UseArguments>();
  CLI::App* command = program.add_subcommand(
      "encode",
      "Write the codes of a data set to an HDF5 file: /mean and /deviation of q(z | x), a row for\n"
      "each sample, in their order, with /labels where --labels are given: 'elbow report' shows\n"
      "classes in colours. The same bytes at any number of ranks.\n\n"
      "  mpirun -n 2 elbow encode runs/first --data fashion.h5:/test/images --output codes.h5");
  add_use_options(*command, *arguments);
  add_data_options(*command, *arguments)->required();
  command->add_option("--output", arguments->output, "HDF5 file [RUN/codes.h5]")->type_name("FILE");
  add_nan_option(*command, *arguments, ": its code is NaN");
  command->callback([arguments, &action] {
    action = [arguments](Communicator& comm) { run_encode(*arguments, comm); };
  });
}

}  // namespace elbow
