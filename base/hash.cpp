#include "base/hash.h"

#include <new>

#include <fmt/format.h>
#include <xxhash.h>

namespace elbow {

Hash::Hash() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(static_cast<XXH3_state_t*>(state_));
}

Hash::~Hash() { XXH3_freeState(static_cast<XXH3_state_t*>(state_)); }

void Hash::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(static_cast<XXH3_state_t*>(state_), bytes.data(), bytes.size());
}

void Hash::add(std::string_view text) { add(std::as_bytes(std::span(text.data(), text.size()))); }

std::string Hash::hex() const {
  const XXH128_hash_t digest = XXH3_128bits_digest(static_cast<const XXH3_state_t*>(state_));
  return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
}

std::string hash_hex(std::string_view text) {
  Hash hash;
  hash.add(text);
  return hash.hex();
}

}  // namespace elbow
