// Which samples are held out for validation.
#pragma once

#include <cstdint>
#include <string>

#include "base/noise.h"

namespace elbow {

// A keyed random choice of `held_out` of `size` samples: a pure function of (seed, size, held_out),
// whatever the layout of the files, without tables. Stratified: each block of 64 rows gives its
// share, rounded by systematic sampling, so that a sorted file is held out evenly. Stateless, so
// safe from any thread.
class Split {
 public:
  // 0 <= held_out < size. Throws ConfigError when nothing would be left to train on.
  Split(std::uint64_t seed, std::int64_t size, std::int64_t held_out);

  std::int64_t size() const { return size_; }
  std::int64_t training_count() const { return size_ - held_out_; }
  std::int64_t held_out_count() const { return held_out_; }

  // The global index of the sample with this ordinal among the training (held-out) samples, in
  // ascending order. O(1).
  std::int64_t training(std::int64_t ordinal) const;
  std::int64_t held_out(std::int64_t ordinal) const;
  // Training samples with an index below `row`, for 0 <= row <= size: the inverse of training().
  std::int64_t training_before(std::int64_t row) const;
  bool is_held_out(std::int64_t index) const;

 private:
  std::int64_t held_out_before(std::int64_t block_start) const;
  // Bit i: row i of the block is held out.
  std::uint64_t mask(std::int64_t block) const;

  std::int64_t size_;
  std::int64_t held_out_;
  Noise noise_;
  std::int64_t offset_;  // of the systematic sample, in [0, size)
};

// How many of `size` samples are held out by "0.05" (a fraction, at least one sample) or "3000" (a
// count). Throws ConfigError for anything else, and when nothing would be left to train on.
std::int64_t held_out_count(const std::string& validation, std::int64_t size);

}  // namespace elbow
