// Keyed noise: every random number is a pure function of what it is for, so that no result depends
// on which rank, batch or order computed it. Generator: Philox4x32-10 (Salmon et al. 2011,
// "Parallel random numbers: as easy as 1, 2, 3"), from Random123.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace elbow {

// What a number is drawn for. The values are part of the format: they never change.
enum class Purpose : std::uint32_t {
  kInitialisation = 1,  // index: parameter, element: entry
  kOrder = 2,           // the order of an epoch
  kSplit = 3,           // which samples are held out
  kDither = 4,          // uniform noise under 8-bit data
  kBinarisation = 5,    // Bernoulli draws of grey pixels
  kPosterior = 6,       // draws from q(z | x) in training
  kEvaluation = 7,      // draws from q(z | x) in evaluation
  kSampling = 8,        // draws from p(z) and p(x | z)
  kSyntheticCars = 32,  // shapes and colours of the importer's cars; index: model
};

// Evaluation has no epoch of its own: its dither and binarisation are drawn at this one, which no
// training reaches.
inline constexpr std::uint32_t kEvaluationEpoch = 0xFFFFFFFF;

struct NoiseKey {
  std::uint64_t seed = 1;
  Purpose purpose = Purpose::kPosterior;
  std::uint32_t stage = 0;
  std::uint32_t epoch = 0;
};

// The numbers of one key. A vector of any length belongs to each (index, draw): `index` is a global
// sample index (or what the purpose says), `draw` counts the draws made for it. Element i depends
// on i alone, not on the length asked for. Stateless, so safe from any thread.
class Noise {
 public:
  explicit Noise(const NoiseKey& key);

  // Four 32-bit words: elements 4*block ... 4*block+3 of the vector's bits.
  std::array<std::uint32_t, 4> words(std::uint64_t index, std::uint32_t draw,
                                     std::uint32_t block) const;

  // Uniform on [0, 1) in steps of 2^-16: two elements a word, low half first. Enough for dithering,
  // where (k + u)/256 then is an exact float.
  void uniform16(std::uint64_t index, std::uint32_t draw, std::span<float> out) const;

  // Uniform on (0, 1), never an end point: (word + 1/2) / 2^32, an element a word.
  void uniform(std::uint64_t index, std::uint32_t draw, std::span<double> out) const;

  // Standard normal, by Box and Muller's transform of successive pairs of uniforms in double
  // precision: elements 2i and 2i+1 are r cos(t), r sin(t) with r = sqrt(-2 ln u_2i),
  // t = 2 pi u_2i+1.
  void normal(std::uint64_t index, std::uint32_t draw, std::span<double> out) const;
  void normal(std::uint64_t index, std::uint32_t draw, std::span<float> out) const;

 private:
  std::array<std::uint32_t, 2> key_;
};

}  // namespace elbow
