#include "data/permutation.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "base/error.h"

namespace elbow {
namespace {

constexpr std::int64_t kLargest = std::int64_t{1} << 62;

// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of the input reaches every
// bit of the output.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

std::uint64_t scramble(std::uint64_t half, std::uint64_t key) {
  return mix(key + half * 0x9E3779B97F4A7C15ULL) >> 16;
}

}  // namespace

Permutation::Permutation(std::int64_t size, const NoiseKey& key, std::uint64_t stream)
    : size_(size) {
  if (size < 1 || size > kLargest) {
    throw Error(fmt::format("cannot permute {} places", size));
  }
  const unsigned bits =
      std::max(2U, static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(size) - 1)));
  low_bits_ = bits / 2;
  low_mask_ = (std::uint64_t{1} << low_bits_) - 1;
  high_mask_ = (std::uint64_t{1} << (bits - low_bits_)) - 1;
  const Noise noise(key);
  for (std::size_t i = 0; i < keys_.size(); i += 2) {
    const auto words = noise.words(stream, 0, static_cast<std::uint32_t>(i / 2));
    keys_[i] = std::uint64_t{words[1]} << 32 | words[0];
    keys_[i + 1] = std::uint64_t{words[3]} << 32 | words[2];
  }
}

std::uint64_t Permutation::forward(std::uint64_t value) const {
  std::uint64_t low = value & low_mask_;
  std::uint64_t high = value >> low_bits_;
  for (std::size_t i = 0; i < keys_.size(); i += 2) {
    high ^= scramble(low, keys_[i]) & high_mask_;
    low ^= scramble(high, keys_[i + 1]) & low_mask_;
  }
  return high << low_bits_ | low;
}

std::uint64_t Permutation::backward(std::uint64_t value) const {
  std::uint64_t low = value & low_mask_;
  std::uint64_t high = value >> low_bits_;
  for (std::size_t i = keys_.size(); i > 0; i -= 2) {
    low ^= scramble(high, keys_[i - 1]) & low_mask_;
    high ^= scramble(low, keys_[i - 2]) & high_mask_;
  }
  return high << low_bits_ | low;
}

std::int64_t Permutation::operator()(std::int64_t place) const {
  auto value = static_cast<std::uint64_t>(place);
  do {
    value = forward(value);
  } while (value >= static_cast<std::uint64_t>(size_));
  return static_cast<std::int64_t>(value);
}

std::int64_t Permutation::inverse(std::int64_t value) const {
  auto place = static_cast<std::uint64_t>(value);
  do {
    place = backward(place);
  } while (place >= static_cast<std::uint64_t>(size_));
  return static_cast<std::int64_t>(place);
}

}  // namespace elbow
