// Networks told to other programs, as JSON (docs/formats.md, "Export"): a chain of steps that
// anybody can compute who has the tensors by name.
//
//   {"input": [1, 28, 28], "output": [40], "steps": [{"type": "linear", ...}, ...]}
//
// Shapes are of one sample. The input is brought to the shape `input`, each step's result to the
// step's `output`, and the last to the network's `output`, all in row-major order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <torch/nn/module.h>

#include "trainer/model/network.h"

namespace elbow {

nlohmann::ordered_json architecture_json(const std::vector<std::int64_t>& input,
                                         const std::vector<std::int64_t>& output,
                                         nlohmann::ordered_json steps);

// {"name": "0", "type": "linear", "inputs": 64, "outputs": 8, "output": [8],
// "tensors": {"0.weight": [8, 64], "0.bias": [8]}}: the layer's own `how`, and the tensors of
// `network` that begin with its name. A step without parameters has no "tensors".
nlohmann::ordered_json step_json(const LayerDescription& layer, const torch::nn::Module& network);

// A step that is no layer of the network's, and so has no name.
nlohmann::ordered_json step_json(const std::string& type, const std::vector<std::int64_t>& output);

// `how` of what several networks consist of.
nlohmann::ordered_json linear_json(std::int64_t inputs, std::int64_t outputs);
nlohmann::ordered_json activation_json(const std::string& function);

// The step of with_condition() along `axis` of a batch; `output` has the entries of c in it.
nlohmann::ordered_json append_condition_json(std::int64_t entries, std::int64_t axis,
                                             const std::vector<std::int64_t>& output);

// Parameters, and buffers of numbers in float, by name, in the order in which they were registered:
// what `elbow export` writes of a module.
torch::OrderedDict<std::string, torch::Tensor> exported_tensors(const torch::nn::Module& module);

// {"0.weight": [8, 64]}, of those tensors whose names begin so.
nlohmann::ordered_json tensor_shapes(const torch::nn::Module& module,
                                     const std::string& prefix = "");

}  // namespace elbow
