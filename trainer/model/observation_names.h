// How Values and Layout are written in configurations and files.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "trainer/model/observation.h"

namespace elbow {

inline constexpr std::array<std::pair<Values, const char*>, 6> kValuesNames = {{
    {Values::kDithered, "dithered"},
    {Values::kBinaryDynamic, "binary-dynamic"},
    {Values::kBinaryFixed, "binary-fixed"},
    {Values::kBinaryThreshold, "binary-threshold"},
    {Values::kStandardised, "standardised"},
    {Values::kRaw, "raw"},
}};

inline constexpr std::array<std::pair<Layout, const char*>, 5> kLayoutNames = {{
    {Layout::kNchw, "nchw"},
    {Layout::kNhwc, "nhwc"},
    {Layout::kVector, "vector"},
    {Layout::kSignal, "signal"},
    {Layout::kVolume, "volume"},
}};

template <typename Table, typename Value>
std::string name_of(const Table& table, Value value) {
  for (const auto& [known, name] : table) {
    if (known == value) return name;
  }
  return "";
}

// "auto" and the names of a table.
template <typename Table>
std::vector<std::string> choices(const Table& table) {
  std::vector<std::string> names = {"auto"};
  for (const auto& entry : table) names.emplace_back(entry.second);
  return names;
}

}  // namespace elbow
