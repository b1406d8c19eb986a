// The codes of a data set at a glance: how much each unit of z tells, and two dimensions of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <nlohmann/json.hpp>

namespace elbow {

// Of q(z | x) = N(mean, deviation^2) of N samples, D units each, given row after row.
class CodeSummary {
 public:
  // `count`: the rows that will come, of which a part spread evenly becomes the picture.
  CodeSummary(std::int64_t count, std::int64_t units);

  // mean_ND, deviation_ND, label_N: the next rows; deviation is empty where codes are points, label
  // where the samples have no classes. Rows of a code that is not finite are left out.
  void add(std::span<const double> mean_ND, std::span<const double> deviation_ND,
           std::span<const double> label_N = {});

  // {count, left_out, units,
  //  kl: [D]: mean of KL(q(z_d | x), N(0, 1)) in nats; null where deviations are missing,
  //  variance: [D]: of the means over the samples (Burda et al. 2016 call a unit active above
  //  0.01), points: [[a, b], ...]: the first two principal components of the means, shares: of the
  //  variance [2]; both without them below two units,
  //  classes: those of the points, ascending, and class_of_point: [...], its place among them; both
  //  only where there are 1 to 16 of them and each is a whole number}.
  nlohmann::ordered_json to_json() const;

 private:
  void add_row(std::span<const double> mean, std::span<const double> deviation);
  nlohmann::ordered_json plane() const;
  nlohmann::ordered_json classes() const;

  std::int64_t units_;
  std::int64_t stride_;
  std::int64_t seen_ = 0;
  std::int64_t count_ = 0;
  bool has_kl_ = true;
  std::vector<double> kl_;             // sums [D]
  std::vector<double> mean_;           // running means [D]
  std::vector<double> square_;         // sums of squared deviations from them [D]
  std::vector<double> picked_rows_;    // [n, D]
  std::vector<double> picked_labels_;  // [n], or fewer where some have none
};

}  // namespace elbow
