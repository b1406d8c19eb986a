#pragma once

#include <cstdint>

namespace elbow {

// Deflate packs no better, whatever it is given; what claims to hold more is damaged or made to
// harm.
inline constexpr std::int64_t kBestDeflateRatio = 1032;

}  // namespace elbow
