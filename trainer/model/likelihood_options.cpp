#include "trainer/model/likelihood_options.h"

#include "base/text.h"
#include "trainer/model/likelihood.h"

namespace elbow {
namespace {

std::string check_sigma(const std::string& text) {
  if (text == "learned" || text == "per-dimension" || text == "optimal") return "";
  double value = 0;
  if (parse_number(text, value) && value > 0 && value < 1e30) return "";
  return "must be 'learned', 'per-dimension', 'optimal' or a number above 0";
}

}  // namespace

void declare(OptionTable& table, LikelihoodOptions& options) {
  table.add("model.likelihood", &options.likelihood,
            "distribution of an image around what the decoder draws; gaussian and laplace for grey "
            "values and measurements, bernoulli for pixels that are black or white, "
            "discretised-logistic and categorical for whole 8-bit values as they are",
            one_of(likelihood_names()));
  table
      .add(
          "model.sigma", &options.sigma,
          "deviation of the likelihood, in units of x: 'learned' (one for all variables), "
          "'per-dimension' (learned, one for each), 'optimal' (gaussian and laplace: computed from "
          "the training set after each epoch) or a number",
          TextCheck(check_sigma))
      .number_allowed = true;
  table.add("model.sigma_floor", &options.sigma_floor,
            "a learned sigma stays above this, so that the likelihood stays bounded",
            between(1e-12, 1e6));
  table.add("model.levels", &options.levels,
            "discretised-logistic and categorical: the data's values are 0 ... levels - 1",
            between(2, 256));
}

}  // namespace elbow
