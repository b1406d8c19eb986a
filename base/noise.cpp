#include "base/noise.h"

#include <cmath>
#include <numbers>

#include <Random123/philox.h>

namespace elbow {
namespace {

std::array<std::uint32_t, 4> philox(const std::array<std::uint32_t, 4>& counter,
                                    const std::array<std::uint32_t, 2>& key) {
  const r123::Philox4x32::ctr_type in = {{counter[0], counter[1], counter[2], counter[3]}};
  const r123::Philox4x32::key_type k = {{key[0], key[1]}};
  const auto out = r123::Philox4x32()(in, k);
  return {out[0], out[1], out[2], out[3]};
}

double open_uniform(std::uint32_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; }

std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

template <typename T>
void fill_normal(const Noise& noise, std::uint64_t index, std::uint32_t draw, std::span<T> out) {
  for (std::size_t i = 0; i < out.size(); i += 4) {
    const auto words = noise.words(index, draw, static_cast<std::uint32_t>(i / 4));
    for (std::size_t pair = 0; pair < 2 && i + 2 * pair < out.size(); ++pair) {
      const double radius = std::sqrt(-2.0 * std::log(open_uniform(words[2 * pair])));
      const double angle = 2.0 * std::numbers::pi * open_uniform(words[2 * pair + 1]);
      out[i + 2 * pair] = static_cast<T>(radius * std::cos(angle));
      if (i + 2 * pair + 1 < out.size()) {
        out[i + 2 * pair + 1] = static_cast<T>(radius * std::sin(angle));
      }
    }
  }
}

}  // namespace

// A key of the generator has 64 bits, its counter 128. The counter is needed whole for (index,
// draw, element), so purpose, stage and epoch go into the key, through the generator itself.
Noise::Noise(const NoiseKey& key) {
  const auto derived =
      philox({static_cast<std::uint32_t>(key.purpose), key.stage, key.epoch, 0x656C626F},
             {low(key.seed), high(key.seed)});
  key_ = {derived[0], derived[1]};
}

std::array<std::uint32_t, 4> Noise::words(std::uint64_t index, std::uint32_t draw,
                                          std::uint32_t block) const {
  return philox({block, draw, low(index), high(index)}, key_);
}

void Noise::uniform16(std::uint64_t index, std::uint32_t draw, std::span<float> out) const {
  for (std::size_t i = 0; i < out.size(); i += 8) {
    const auto four = words(index, draw, static_cast<std::uint32_t>(i / 8));
    for (std::size_t j = 0; j < 8 && i + j < out.size(); ++j) {
      const std::uint32_t half = (four[j / 2] >> (16 * (j % 2))) & 0xFFFF;
      out[i + j] = static_cast<float>(half) * 0x1p-16F;
    }
  }
}

void Noise::uniform(std::uint64_t index, std::uint32_t draw, std::span<double> out) const {
  for (std::size_t i = 0; i < out.size(); i += 4) {
    const auto four = words(index, draw, static_cast<std::uint32_t>(i / 4));
    for (std::size_t j = 0; j < 4 && i + j < out.size(); ++j) out[i + j] = open_uniform(four[j]);
  }
}

void Noise::normal(std::uint64_t index, std::uint32_t draw, std::span<double> out) const {
  fill_normal(*this, index, draw, out);
}

void Noise::normal(std::uint64_t index, std::uint32_t draw, std::span<float> out) const {
  fill_normal(*this, index, draw, out);
}

}  // namespace elbow
