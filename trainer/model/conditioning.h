// From the labels of a data set to c, what a model is conditioned on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include "data/batch.h"

namespace elbow {

// Immutable, and safe from any thread. An object made by default stands for no condition.
class Conditioning {
 public:
  Conditioning() = default;

  // Labels are whole numbers 0 ... K-1, c is one of K, and p(c) is how often each was met in
  // training. Throws DataError where none was met at all.
  static Conditioning classes(std::vector<std::int64_t> counts);
  // Labels are numbers, c what remains of them at mean 0 and deviation 1 (a deviation of 0 counts
  // as 1). p(c) is not modelled.
  static Conditioning values(std::vector<double> mean, std::vector<double> deviation);

  std::int64_t size() const;  // C: entries of c; 0 without condition
  bool is_classes() const { return !counts_.empty(); }
  // The classes that training met, ascending: of others a model has learned nothing. Empty for
  // values.
  std::vector<std::int64_t> met() const;
  // log p(c), [K] in double; minus infinity for a class that was never met.
  torch::Tensor log_frequency() const;

  // [B, C] in float, on the host; undefined without condition. Throws DataError naming the sample
  // whose label is none of the classes, or the width that is not as expected.
  torch::Tensor c(const Batch& batch) const;
  // c [B, C] for labels given by hand, [B, label width].
  torch::Tensor c(const torch::Tensor& labels) const;

  std::string summary() const;  // "10 classes", "2 values"; "" without condition

  // For model.json. from_json throws CheckpointError naming what is wrong with it.
  nlohmann::ordered_json to_json() const;
  static Conditioning from_json(const nlohmann::ordered_json& json);

 private:
  std::vector<std::int64_t> counts_;  // of each class; empty when values
  std::vector<double> mean_;          // of each value
  std::vector<double> deviation_;
};

// A likelihood of x given c is never called one of x: what a figure of it is named in files,
// "log_likelihood" or "log_likelihood_given_c", and to people, "log p(x)" or "log p(x given c)".
std::string likelihood_key(const std::string& figure, bool given_c);
std::string likelihood_text(bool given_c);

}  // namespace elbow
