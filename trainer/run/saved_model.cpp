#include "trainer/run/saved_model.h"

#include "base/error.h"
#include "base/json_input.h"
#include "trainer/run/checkpoint.h"
#include "trainer/run/safetensors.h"
#include "trainer/run/versioned_json.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kModelFormat = 1;
constexpr std::size_t kLargestDescription = 256 << 20;

void take_own_networks(ModelOptions& options, const OwnNetworks& own) {
  if (options.network != "torchscript") return;
  if (own.encoder.empty() || own.decoder.empty()) {
    throw Error(
        "the model consists of networks of your own, which are not kept in the run directory; give "
        "their files again with --model.encoder FILE --model.decoder FILE",
        ExitCode::kUsage);
  }
  options.encoder = own.encoder;
  options.decoder = own.decoder;
}

// Refuses a description whose networks could not be what is stored, before they are allocated: two
// widths in a row have at least their product of weights.
void refuse_oversized(const ModelOptions& options, const NamedTensors& stored,
                      const std::filesystem::path& path) {
  if (options.network == "torchscript") return;  // its size is that of the user's own file
  std::int64_t elements = 0;
  for (const auto& [name, tensor] : stored) elements += tensor.numel();
  std::vector<std::int64_t> widths = options.widths;
  widths.push_back(options.latent);
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const std::int64_t before = i == 0 ? 1 : widths[i - 1];
    if (widths[i] > elements / before) {
      throw CheckpointError(
          fmt::format("{} holds {} numbers, too few for the networks that the "
                      "model's description names",
                      path.string(), elements));
    }
  }
}

// The file that holds these parameters: at the end of a run one of its own, before it one of a
// checkpoint.
std::filesystem::path find_parameters(const RunPaths& paths, const std::string& which) {
  const auto path = which == "best"   ? paths.parameters()
                    : which == "last" ? paths.last_parameters()
                                      : paths.average_parameters();
  if (std::filesystem::exists(path)) return path;
  if (const auto checkpoint = load_newest_checkpoint(paths.checkpoints())) {
    const std::string name = which == "average" ? "average.safetensors" : "parameters.safetensors";
    if (checkpoint->files.contains(name)) return checkpoint->folder / name;
  }
  throw CheckpointError(fmt::format(
      "{} does not exist, nor a checkpoint that holds it: {}", path.string(),
      which == "average" ? "set training.average to keep a running mean of the parameters"
                         : "the training has not come that far"));
}

}  // namespace

void save_model_description(const RunPaths& paths, const ModelFile& model,
                            const ModelRecord& record, const AtomicWrite& write) {
  Json json = {{"format_version", kModelFormat},
               {"seed", record.seed},
               {"data_fingerprint", record.data_fingerprint}};
  json.update(model_to_json(model));
  write(paths.model(), [&](NewFile& file) { file.write(sealed_text(json)); });
}

NamedTensors named_tensors(const Procedure& procedure) {
  NamedTensors tensors;
  for (const auto& parameter : procedure.named_parameters()) {
    tensors.emplace(parameter.key(), parameter.value().detach());
  }
  return tensors;
}

void save_parameters(const std::filesystem::path& path, const NamedTensors& parameters,
                     const AtomicWrite& write) {
  save_safetensors(path, parameters, {{"format", "pt"}}, write);
}

SavedModel load_model(const RunPaths& paths, const std::string& which, const OwnNetworks& own) {
  const Json json = read_versioned_json(paths.model(), kLargestDescription, kModelFormat);
  try {
    const StoredObject stored_model(json, paths.model().string());
    const ModelRecord record{static_cast<std::uint64_t>(stored_model.whole_number("seed")),
                             stored_model.text("data_fingerprint")};
    SavedModel saved{model_from_json(json), nullptr, record, ""};
    take_own_networks(saved.file.options, own);
    const auto path = find_parameters(paths, which);
    const NamedTensors stored = load_safetensors(path);
    refuse_oversized(saved.file.options, stored, path);
    saved.procedure = make_model(saved.file.options, saved.file.observation, record.seed,
                                 saved.file.conditioning);
    assign(named_tensors(*saved.procedure), stored, path);
    saved.parameters_hash = content_hash(stored);
    return saved;
  } catch (const Json::exception& error) {
    throw CheckpointError(
        fmt::format("{} is damaged: {}", paths.model().string(), json_problem(error)));
  } catch (const ConfigError& error) {
    throw CheckpointError(fmt::format("{} is damaged: {}", paths.model().string(), error.what()));
  }
}

}  // namespace elbow
