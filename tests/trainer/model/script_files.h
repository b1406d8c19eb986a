// TorchScript files as a user would bring them, written from source text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/jit/api/module.h>

#include "tests/trainer/model/network_reference.h"

namespace elbow {

// A module with parameters "a", "b" ... of these shapes, in float.
inline torch::jit::Module script_module(const std::vector<std::vector<std::int64_t>>& shapes,
                                        const std::string& source) {
  torch::jit::Module script("Network");
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const auto value = reference_numbers(shapes[i], static_cast<std::int64_t>(i));
    script.register_parameter(std::string(1, static_cast<char>('a' + i)),
                              value.to(torch::kFloat).requires_grad_(), false);
  }
  script.define(source);
  return script;
}

// For x [B, 1, 3, 4] and three latents: linear, tanh, linear.
inline torch::jit::Module script_encoder() {
  return script_module({{5, 12}, {5}, {3, 5}, {3, 5}}, R"(
    def forward(self, x):
        h = torch.tanh(torch.linear(torch.flatten(x, 1), self.a, self.b))
        return torch.linear(h, self.c), torch.linear(h, self.d)
  )");
}

// The reverse, to one number for each variable.
inline torch::jit::Module script_decoder() {
  return script_module({{12, 3}, {12}}, R"(
    def forward(self, z):
        return torch.linear(z, self.a, self.b).view([z.size(0), 1, 1, 3, 4])
  )");
}

inline std::string saved(const torch::jit::Module& script, const std::filesystem::path& path) {
  script.save(path.string());
  return path.string();
}

}  // namespace elbow
