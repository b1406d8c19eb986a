#pragma once

namespace elbow {

// Latents, units of a layer: far above anything useful, and low enough that a file cannot ask for
// all memory by a slip.
inline constexpr double kMostUnits = 65536;

}  // namespace elbow
