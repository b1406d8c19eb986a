#include "data/split.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace elbow {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::int64_t kBlock = 64;
// Numbers of the whole split are drawn at an index that no block has.
constexpr std::uint64_t kWholeSplit = ~std::uint64_t{0};

std::int64_t rows_of_block(std::int64_t block, std::int64_t size) {
  return std::min(kBlock, size - block * kBlock);
}

// The place of the n-th (from 0) bit that is set.
int select(std::uint64_t mask, std::int64_t n) {
  for (; n > 0; --n) mask &= mask - 1;
  return std::countr_zero(mask);
}

}  // namespace

Split::Split(std::uint64_t seed, std::int64_t size, std::int64_t held_out)
    : size_(size), held_out_(held_out), noise_({.seed = seed, .purpose = Purpose::kSplit}) {
  if (size < 1 || held_out < 0 || held_out >= size) {
    throw ConfigError(fmt::format(
        "data.validation: {} of {} samples held out leaves none to train on", held_out, size));
  }
  const auto words = noise_.words(kWholeSplit, 0, 0);
  const std::uint64_t draw = std::uint64_t{words[1]} << 32 | words[0];
  offset_ = static_cast<std::int64_t>(Wide{draw} * static_cast<std::uint64_t>(size) >> 64);
}

std::int64_t Split::held_out_before(std::int64_t block_start) const {
  const Wide row = static_cast<std::uint64_t>(std::min(block_start, size_));
  return static_cast<std::int64_t>(
      (row * static_cast<std::uint64_t>(held_out_) + static_cast<std::uint64_t>(offset_)) /
      static_cast<std::uint64_t>(size_));
}

// Floyd's sampling without replacement (Bentley and Floyd 1987) of the smaller part.
std::uint64_t Split::mask(std::int64_t block) const {
  const std::int64_t start = block * kBlock;
  const auto rows = static_cast<std::uint64_t>(rows_of_block(block, size_));
  const auto chosen =
      static_cast<std::uint64_t>(held_out_before(start + kBlock) - held_out_before(start));
  const bool inverted = 2 * chosen > rows;
  const std::uint64_t count = inverted ? rows - chosen : chosen;
  std::uint64_t mask = 0;
  std::array<std::uint32_t, 4> words{};
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i % 4 == 0) {
      words = noise_.words(static_cast<std::uint64_t>(block), 0, static_cast<std::uint32_t>(i / 4));
    }
    const std::uint64_t last = rows - count + i;
    const std::uint64_t row = words[i % 4] * (last + 1) >> 32;
    const std::uint64_t bit = std::uint64_t{1} << row;
    mask |= (mask & bit) == 0 ? bit : std::uint64_t{1} << last;
  }
  const std::uint64_t all = rows == kBlock ? ~std::uint64_t{0} : (std::uint64_t{1} << rows) - 1;
  return inverted ? all & ~mask : mask;
}

// The block is the one behind which more than `ordinal` samples lie: held_out_before(a) > ordinal
// first at a = ceil(((ordinal + 1) size - offset) / held_out).
std::int64_t Split::held_out(std::int64_t ordinal) const {
  if (ordinal < 0 || ordinal >= held_out_) {
    throw Error(fmt::format("there is no held-out sample {} of {}", ordinal, held_out_));
  }
  const auto size = static_cast<std::uint64_t>(size_);
  const auto held_out = static_cast<std::uint64_t>(held_out_);
  const Wide reach =
      Wide{static_cast<std::uint64_t>(ordinal) + 1} * size - static_cast<std::uint64_t>(offset_);
  const auto first_behind = static_cast<std::int64_t>((reach + held_out - 1) / held_out);
  const std::int64_t block = (first_behind - 1) / kBlock;
  return block * kBlock + select(mask(block), ordinal - held_out_before(block * kBlock));
}

// With T = size - held_out, a - held_out_before(a) = ceil((a T - offset) / size) > ordinal first at
// a = floor((ordinal size + offset) / T) + 1.
std::int64_t Split::training(std::int64_t ordinal) const {
  if (ordinal < 0 || ordinal >= training_count()) {
    throw Error(fmt::format("there is no training sample {} of {}", ordinal, training_count()));
  }
  if (held_out_ == 0) return ordinal;
  const Wide reach = Wide{static_cast<std::uint64_t>(ordinal)} * static_cast<std::uint64_t>(size_) +
                     static_cast<std::uint64_t>(offset_);
  const std::int64_t block =
      static_cast<std::int64_t>(reach / static_cast<std::uint64_t>(training_count())) / kBlock;
  const std::int64_t start = block * kBlock;
  return start + select(~mask(block), ordinal - (start - held_out_before(start)));
}

std::int64_t Split::training_before(std::int64_t row) const {
  const std::int64_t block = row / kBlock;
  const std::int64_t start = block * kBlock;
  const std::int64_t before = start - held_out_before(start);
  if (row == start) return before;
  const std::uint64_t below = (std::uint64_t{1} << (row - start)) - 1;
  return before + std::popcount(~mask(block) & below);
}

bool Split::is_held_out(std::int64_t index) const {
  return (mask(index / kBlock) >> (index % kBlock) & 1) != 0;
}

std::int64_t held_out_count(const std::string& validation, std::int64_t size) {
  double value = 0;
  const bool number = parse_number(validation, value);
  const bool fraction = number && value >= 0 && value < 1;
  const bool count = number && value >= 1 && value == std::floor(value);
  if (!fraction && !count) {
    throw ConfigError(
        fmt::format("data.validation = '{}' is neither a fraction below 1, nor a "
                    "count of samples, nor FILE:/path",
                    validation));
  }
  const double held_out = count || value == 0 || size < 2
                              ? std::floor(value)
                              : std::clamp(std::round(value * static_cast<double>(size)), 1.0,
                                           static_cast<double>(size - 1));
  if (held_out >= static_cast<double>(size)) {
    throw ConfigError(fmt::format(
        "data.validation: {} of {} samples held out leaves none to train on", validation, size));
  }
  return static_cast<std::int64_t>(held_out);
}

}  // namespace elbow
