#include "trainer/model/torchscript.h"

#include <algorithm>
#include <set>

#include <torch/csrc/jit/runtime/graph_executor.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "trainer/model/architecture.h"
#include "trainer/model/keyed_noise.h"
#include "trainer/model/torchscript_file.h"
#include "trainer/model/without_storage.h"

namespace elbow {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr double kTolerance = 1e-3;  // products of 2 and of 3 rows differ in their last bits

// LibTorch's messages are long traces, whose last line says what happened.
std::string last_line(const std::string& message) {
  std::string last;
  for (const auto& line : split(message, '\n')) {
    if (line.find_first_not_of(" \t") != std::string::npos) last = line;
  }
  return last;
}

// --- What it takes to train it.

// The script's parameters under the same names. Those that do not learn are part of the file, and
// therefore not of the model's parameters; one that is used twice counts once.
void mirror(const torch::jit::Module& script, torch::nn::Module& to,
            std::set<const c10::TensorImpl*>& seen) {
  for (const auto& parameter : script.named_parameters(/*recurse=*/false)) {
    if (!seen.insert(parameter.value.unsafeGetTensorImpl()).second) continue;
    if (parameter.value.requires_grad()) {
      to.register_parameter(parameter.name, parameter.value);
    } else {
      to.register_buffer(parameter.name, parameter.value);
    }
  }
  for (const auto& buffer : script.named_buffers(/*recurse=*/false)) {
    if (seen.insert(buffer.value.unsafeGetTensorImpl()).second) {
      to.register_buffer(buffer.name, buffer.value);
    }
  }
  for (const auto& child : script.named_children()) {
    auto part = std::make_shared<torch::nn::Module>();
    mirror(child.value, *part, seen);
    to.register_module(child.name, part);
  }
}

class Script : public Network {
 public:
  // `input` and `output` are shapes of one sample.
  Script(ScriptFile file, const std::string& hash, Shape input, Shape output,
         std::int64_t condition)
      : file_(std::move(file)),
        hash_(hash),
        input_(std::move(input)),
        output_(std::move(output)),
        condition_(condition),
        script_(load_script(file_, hash, condition)) {
    std::set<const c10::TensorImpl*> seen;
    mirror(script_, *this, seen);
  }

  torch::Tensor forward(const torch::Tensor& input, const torch::Tensor& c) const override {
    return tensor(run(input, c), input.size(0));
  }

  std::vector<LayerDescription> layers() const override {
    std::vector<LayerDescription> all;
    for (const auto& parameter : named_parameters()) {
      const auto sizes = parameter.value().sizes();
      all.push_back({parameter.key(),
                     "torchscript",
                     {sizes.begin(), sizes.end()},
                     parameter.value().numel()});
    }
    return all;
  }

  // What it computes, only the file says.
  nlohmann::ordered_json architecture() const override {
    return {{"input", input_},
            {"output", output_},
            {"torchscript", {{"xxh3_128", hash_}, {"condition", condition_}}},
            {"tensors", tensor_shapes(*this)}};
  }

  bool is_initialised() const override { return true; }

  // Runs it on a few samples.
  void try_out() const {
    const auto c_of = [&](const std::vector<std::int64_t>& rows) {
      return condition_ > 0 ? trial({condition_}, rows, 1) : torch::Tensor();
    };
    const auto on = [&](const std::vector<std::int64_t>& rows) {
      return forward(trial(input_, rows, 0), c_of(rows));
    };
    const torch::AutoGradMode with_gradients(true);
    const auto three = on({0, 1, 2});
    const auto again = on({0, 1, 2});
    if (three.scalar_type() != torch::kFloat) {
      file_.refuse(fmt::format("gives numbers of the type {} for float input",
                               torch::toString(three.scalar_type())));
    }
    if (!torch::isfinite(three).all().item<bool>()) {
      file_.refuse("gives numbers that are not finite for standard normal input");
    }
    if (!three.requires_grad()) {
      file_.refuse(
          "does not pass gradients to its parameters: is it computed under torch.no_grad, or on "
          "detached tensors?");
    }
    if (!torch::equal(three, again)) {
      file_.refuse(
          "gives two results for one input: no randomness and no state of its own is allowed");
    }
    refuse_other_rows(on);
  }

 protected:
  // The result for `rows` samples as the model reads it. Refuses another type or shape.
  virtual torch::Tensor tensor(const c10::IValue& result, std::int64_t rows) const = 0;

  const ScriptFile& file() const { return file_; }
  const Shape& output() const { return output_; }

 private:
  // The profiling executor would rewrite the graph after its first runs, and change last bits.
  c10::IValue run(const torch::Tensor& input, const torch::Tensor& c) const {
    const torch::jit::GraphOptimizerEnabledGuard as_written(false);
    std::vector<c10::IValue> inputs = {input};
    if (condition_ > 0) inputs.emplace_back(c.to(input.scalar_type()));
    try {
      return script_.get_method("forward")(std::move(inputs));
    } catch (const std::exception& error) {
      file_.refuse(fmt::format("fails on {} samples of the shape {}: {}", input.size(0),
                               shape_text(input.sizes().slice(1)), last_line(error.what())));
    }
  }

  // Each of three samples is changed, and the last left out.
  template <typename Forward>
  void refuse_other_rows(const Forward& on) const {
    const auto three = on({0, 1, 2});
    bool alone = torch::allclose(three.narrow(0, 0, 2), on({0, 1}), kTolerance, kTolerance);
    for (std::int64_t changed = 0; changed < 3; ++changed) {
      std::vector<std::int64_t> rows = {0, 1, 2};
      rows[static_cast<std::size_t>(changed)] = 3;
      const auto other = on(rows);
      for (std::int64_t row = 0; row < 3; ++row) {
        alone = alone && (row == changed || torch::equal(three[row], other[row]));
      }
    }
    if (alone) return;
    file_.refuse(
        "gives a result for a sample that depends on the other samples of its batch, and so on how "
        "a batch is cut; each row must be computed from itself alone");
  }

  static torch::Tensor trial(const Shape& shape, const std::vector<std::int64_t>& rows,
                             std::uint32_t draw) {
    return normal_noise({0, Purpose::kInitialisation}, rows, draw, shape, torch::kFloat);
  }

  ScriptFile file_;
  std::string hash_;
  Shape input_;
  Shape output_;
  std::int64_t condition_;
  torch::jit::Module script_;
};

std::string result_text(const torch::Tensor& tensor) {
  return fmt::format("{} {}", torch::toString(tensor.scalar_type()), shape_text(tensor.sizes()));
}

bool has_shape(const torch::Tensor& tensor, std::int64_t rows, const Shape& shape) {
  return tensor.dim() == static_cast<std::int64_t>(shape.size()) + 1 && tensor.size(0) == rows &&
         tensor.sizes().slice(1) == at::IntArrayRef(shape);
}

class ScriptEncoder : public Script {
 public:
  ScriptEncoder(ScriptFile file, const std::string& hash, const Shape& shape, std::int64_t outputs,
                std::int64_t condition)
      : Script(std::move(file), hash, shape, {outputs}, condition), outputs_(outputs) {
    try_out();
  }

 protected:
  torch::Tensor tensor(const c10::IValue& result, std::int64_t rows) const override {
    if (result.isTensor() && has_shape(result.toTensor(), rows, {outputs_})) {
      return result.toTensor();
    }
    std::string found = result.isTensor() ? result_text(result.toTensor()) : result.tagKind();
    if (result.isTuple()) {
      const auto& parts = result.toTupleRef().elements();
      const bool tensors = std::all_of(parts.begin(), parts.end(),
                                       [](const c10::IValue& part) { return part.isTensor(); });
      if (tensors && parts.size() == 2 && has_shape(parts[0].toTensor(), rows, {outputs_ / 2}) &&
          has_shape(parts[1].toTensor(), rows, {outputs_ - outputs_ / 2})) {
        return torch::cat({parts[0].toTensor(), parts[1].toTensor()}, 1);
      }
      found = fmt::format("a tuple of {}", parts.size());
      for (const auto& part : parts) {
        found += ", " + (part.isTensor() ? result_text(part.toTensor()) : part.tagKind());
      }
    }
    file().refuse(
        fmt::format("gives for {} samples: {}; expected is a tuple (mean, log_variance) of two "
                    "tensors [{}, {}]",
                    rows, found, rows, outputs_ / 2));
  }

 private:
  std::int64_t outputs_;
};

class ScriptDecoder : public Script {
 public:
  ScriptDecoder(ScriptFile file, const std::string& hash, std::int64_t latent, const Shape& shape,
                std::int64_t parameters, std::int64_t condition)
      : Script(std::move(file), hash, {latent}, decoder_output(parameters, shape), condition),
        shape_(shape) {
    try_out();
  }

 protected:
  torch::Tensor tensor(const c10::IValue& result, std::int64_t rows) const override {
    std::string found = result.tagKind();
    if (result.isTensor()) {
      const torch::Tensor& tensor = result.toTensor();
      const bool fits = has_shape(tensor, rows, output()) ||
                        has_shape(tensor, rows, {c10::multiply_integers(output())}) ||
                        (output()[0] == 1 && has_shape(tensor, rows, shape_));
      Shape sizes = {rows};
      sizes.insert(sizes.end(), output().begin(), output().end());
      if (fits) return tensor.reshape(sizes);
      found = result_text(tensor);
    }
    file().refuse(
        fmt::format("gives for {} samples: {}; expected is one tensor of shape {} for each of "
                    "them: {} numbers for each variable of a sample {}",
                    rows, found, shape_text(output()), output()[0], shape_text(shape_)));
  }

 private:
  static Shape decoder_output(std::int64_t parameters, const Shape& shape) {
    Shape output = {parameters};
    output.insert(output.end(), shape.begin(), shape.end());
    return output;
  }

  Shape shape_;
};

}  // namespace

std::shared_ptr<Network> make_torchscript_encoder(const NetworkOptions& options, const Shape& shape,
                                                  std::int64_t outputs, std::int64_t condition) {
  const WithStorage values;  // it is tried out
  return std::make_shared<ScriptEncoder>(ScriptFile{"model.encoder", options.encoder},
                                         options.encoder_hash, shape, outputs, condition);
}

std::shared_ptr<Network> make_torchscript_decoder(const NetworkOptions& options,
                                                  std::int64_t latent, const Shape& shape,
                                                  std::int64_t parameters, std::int64_t condition) {
  const WithStorage values;
  return std::make_shared<ScriptDecoder>(ScriptFile{"model.decoder", options.decoder},
                                         options.decoder_hash, latent, shape, parameters,
                                         condition);
}

void note_network_files(NetworkOptions& options) {
  if (!options.encoder.empty()) {
    options.encoder_hash = hash_hex(ScriptFile{"model.encoder", options.encoder}.content());
  }
  if (!options.decoder.empty()) {
    options.decoder_hash = hash_hex(ScriptFile{"model.decoder", options.decoder}.content());
  }
}

}  // namespace elbow
