#include "trainer/model/torchscript_file.h"

#include <algorithm>
#include <sstream>

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/serialization/import.h>

#include "base/atomic_file.h"
#include "base/child_process.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

namespace elbow {
namespace {

constexpr std::size_t kLargestFile = std::size_t{4} << 30;

// LibTorch's reasons go on for many lines.
[[noreturn]] void refuse_content(const ScriptFile& file, std::string_view reason) {
  file.refuse(fmt::format("is no TorchScript file: {}", split(reason, '\n').front()));
}

torch::jit::Module read_script(const ScriptFile& file, const std::string& hash) {
  std::istringstream content(file.content());
  const std::string found = hash_hex(content.view());
  if (!hash.empty() && found != hash) {
    throw CheckpointError(
        fmt::format("option {}: {} is not the network of this run: the hash of its content is {}, "
                    "and the run was made with {}; give the file that it was trained with",
                    file.option, file.path, found, hash));
  }
  // LibTorch allocates what a file says that it holds.
  ChildLimits limits;
  limits.memory = (std::int64_t{512} << 20) + 8 * static_cast<std::int64_t>(content.view().size());
  const ChildEnd end = run_in_child([&] { torch::jit::load(content, torch::kCPU); }, limits);
  if (!end.error.empty()) refuse_content(file, end.error);
  if (!end.death.empty()) {
    file.refuse(fmt::format("is no sound TorchScript file: LibTorch {} in loading it", end.death));
  }
  try {
    return torch::jit::load(content, torch::kCPU);
  } catch (const std::exception& error) {
    refuse_content(file, error.what());
  }
}

// Dropout of nothing is no randomness.
bool drops_nothing(const torch::jit::Node& node) {
  for (const char* name : {"p", "dropout_p"}) {
    if (!node.hasNamedInput(name)) continue;
    const auto probability = torch::jit::constant_as<double>(node.namedInput(name));
    return probability && *probability == 0;
  }
  return false;
}

void inspect(const torch::jit::Block& block, const ScriptFile& file) {
  for (const auto* node : block.nodes()) {
    const std::string name = node->kind().toUnqualString();
    if (name.find("batch_norm") != std::string::npos) {
      file.refuse(
          "takes statistics of a batch (aten::" + name +
          "), so that a sample's code would depend on the others and on how a batch is cut; use "
          "GroupNorm or LayerNorm");
    }
    if (node->isNondeterministic() && !drops_nothing(*node)) {
      file.refuse("draws random numbers of its own (aten::" + name +
                  "), which no seed of the run determines; take that layer out");
    }
    for (const auto* inner : node->blocks()) inspect(*inner, file);
  }
}

void refuse_batch_statistics(const torch::jit::Module& script, const ScriptFile& file) {
  for (const auto& part : script.named_modules()) {
    const auto type = part.value.type()->name();
    const bool by_name = type && type->name().find("BatchNorm") != std::string::npos;
    if (!by_name && !part.value.hasattr("running_mean")) continue;
    file.refuse(
        fmt::format("has a layer that keeps statistics of batches ('{}'), so that what it computes "
                    "would depend on how a batch is cut; use GroupNorm or LayerNorm",
                    part.name));
  }
}

void refuse_parameters(const torch::jit::Module& script, const ScriptFile& file) {
  bool learns = false;
  for (const auto& parameter : script.named_parameters()) {
    if (parameter.value.scalar_type() != torch::kFloat) {
      file.refuse(
          fmt::format("has the parameter '{}' of the type {}; all must be float: save "
                      "module.float()",
                      parameter.name, torch::toString(parameter.value.scalar_type())));
    }
    learns = learns || parameter.value.requires_grad();
  }
  if (!learns) {
    file.refuse(
        "has no parameters that could be trained; save the module before it is frozen "
        "(torch.jit.freeze, torch.jit.optimize_for_inference)");
  }
}

// Its forward function takes the input, and c where there are conditions.
void refuse_arguments(const torch::jit::Method& forward, std::int64_t condition,
                      const ScriptFile& file) {
  const auto& arguments = forward.function().getSchema().arguments();
  const std::size_t given = condition > 0 ? 2 : 1;
  const auto needed =
      std::count_if(arguments.begin() + 1, arguments.end(),
                    [](const c10::Argument& argument) { return !argument.default_value(); });
  if (static_cast<std::size_t>(needed) > given || arguments.size() - 1 < given) {
    file.refuse(fmt::format(
        "has a forward function of {} arguments, and {} here: {}", arguments.size() - 1,
        given == 1 ? "there is one" : "there are two",
        condition > 0 ? "its input and c [B, " + std::to_string(condition) + "]" : "its input"));
  }
}

}  // namespace

void ScriptFile::refuse(const std::string& reason) const {
  throw ConfigError(fmt::format("option {}: {} {}", option, path, reason));
}

std::string ScriptFile::content() const {
  if (path.empty()) {
    throw ConfigError(
        fmt::format("option {} is missing: model.network = 'torchscript' needs a file for each "
                    "network (torch.jit.script(module).save(FILE)), and a run does not keep it",
                    option));
  }
  try {
    return read_file(path, kLargestFile);
  } catch (const Error& error) {
    throw ConfigError(fmt::format("option {}: {}", option, error.what()));
  }
}

torch::jit::Module load_script(const ScriptFile& file, const std::string& hash,
                               std::int64_t condition) {
  torch::jit::Module script = read_script(file, hash);
  const auto forward = script.find_method("forward");
  if (!forward) file.refuse("has no forward function");
  refuse_arguments(*forward, condition, file);
  refuse_batch_statistics(script, file);
  const auto graph = forward->graph()->copy();
  torch::jit::Inline(*graph);
  inspect(*graph->block(), file);
  refuse_parameters(script, file);
  return script;
}

}  // namespace elbow
