// Files as they should not be.
#pragma once

#include <cstdint>
#include <string>

namespace elbow {

// `bytes` after a few edits chosen by `seed`: flipped bits, extreme numbers (binary and written
// out), pieces lost, repeated, moved or filled, and what JSON and TOML are made of, where it does
// not belong. Edits are frequent at both ends, where most formats describe themselves.
std::string mutant_of(std::string bytes, std::uint64_t seed);

}  // namespace elbow
