// The values in tests/reference/networks.json, and the parameters and inputs they were computed of.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/types.h>

#include "trainer/model/initialisation.h"
#include "trainer/model/network.h"

namespace elbow {

// 0.3 sin(1 + 0.7 i + ordinal), in double.
inline torch::Tensor reference_numbers(const std::vector<std::int64_t>& shape,
                                       std::int64_t ordinal = 0) {
  const auto i = torch::arange(c10::multiply_integers(shape), torch::kDouble);
  return (0.3 * (1 + 0.7 * i + ordinal).sin()).view(shape);
}

inline std::shared_ptr<Network> reference_filled(std::shared_ptr<Network> network) {
  torch::NoGradGuard no_grad;
  network->to(torch::kDouble);
  std::int64_t ordinal = 0;
  for (auto& parameter : network->parameters()) {
    parameter.copy_(reference_numbers(parameter.sizes().vec(), ordinal++));
  }
  return network;
}

inline std::shared_ptr<Network> reference_initialised(std::shared_ptr<Network> network) {
  network->to(torch::kDouble);
  initialise(*network, 1);
  return network;
}

inline void expect_reference(const std::string& name, const torch::Tensor& found) {
  const char* source = std::getenv("TESTS_SOURCE_DIR");
  std::ifstream file(std::string(source != nullptr ? source : ".") +
                     "/tests/reference/networks.json");
  const auto rows = nlohmann::json::parse(file).at(name).get<std::vector<std::vector<double>>>();
  ASSERT_EQ(found.size(0), static_cast<std::int64_t>(rows.size())) << name;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto expected = torch::tensor(rows[row], torch::kDouble);
    const auto flat = found[static_cast<std::int64_t>(row)].flatten();
    ASSERT_EQ(flat.numel(), expected.numel()) << name;
    EXPECT_TRUE(torch::allclose(flat, expected, 1e-11, 1e-11)) << name;
  }
}

}  // namespace elbow
