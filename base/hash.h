// XXH3-128, the project's one content hash: fingerprints, manifests, replica comparison.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace elbow {

// The hash of bytes that are given piece by piece.
class Hash {
 public:
  Hash();
  ~Hash();
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text);
  std::string hex() const;  // 32 hexadecimal digits

 private:
  void* state_;
};

std::string hash_hex(std::string_view text);

}  // namespace elbow
