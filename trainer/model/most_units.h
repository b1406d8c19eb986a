#pragma once

#include <cstdint>

namespace elbow {

// Latents, units of a layer: far above anything useful, and low enough that a file cannot ask for
// all memory by a slip.
inline constexpr std::int64_t kMostUnits = 65536;

}  // namespace elbow
