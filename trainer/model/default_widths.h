// What model.widths is where it is not given.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace elbow {

// What suits a network (network_names()) in a model of this kind, small enough for a first try.
// Throws ConfigError for a network that is not registered.
std::vector<std::int64_t> default_widths(const std::string& kind, const std::string& network);

}  // namespace elbow
