#include "trainer/model/likelihood.h"

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/bernoulli_likelihood.h"
#include "trainer/model/categorical_likelihood.h"
#include "trainer/model/discretised_logistic_likelihood.h"
#include "trainer/model/gaussian_likelihood.h"
#include "trainer/model/laplace_likelihood.h"
#include "trainer/model/without_storage.h"

namespace elbow {
namespace {

const std::vector<LikelihoodKind>& likelihoods() {
  static const std::vector<LikelihoodKind> kinds = {
      {"gaussian", Measure::kDensity, make_gaussian_likelihood},
      {"laplace", Measure::kDensity, make_laplace_likelihood},
      {"bernoulli", Measure::kBinary, make_bernoulli_likelihood},
      {"discretised-logistic", Measure::kLevels, make_discretised_logistic_likelihood},
      {"categorical", Measure::kLevels, make_categorical_likelihood},
  };
  return kinds;
}

}  // namespace

void Likelihood::fit(double /*mean_log_density*/, std::int64_t /*variables*/) {
  throw Error(fmt::format("{}: there is nothing to fit", summary()));
}

std::vector<std::string> likelihood_names() {
  std::vector<std::string> names;
  for (const auto& kind : likelihoods()) names.push_back(kind.name);
  return names;
}

const LikelihoodKind& likelihood_kind(const std::string& name) {
  for (const auto& kind : likelihoods()) {
    if (kind.name == name) return kind;
  }
  throw ConfigError(fmt::format("option model.likelihood: there is no likelihood '{}'; {}", name,
                                suggestion(name, likelihood_names())));
}

std::shared_ptr<Likelihood> make_likelihood(const LikelihoodOptions& options,
                                            const Observation& observation) {
  const auto& kind = likelihood_kind(options.likelihood);
  if (kind.measure == Measure::kLevels && options.levels != observation.levels()) {
    throw Error(fmt::format("option model.levels is {}, but the data were prepared for {}",
                            options.levels, observation.levels()));
  }
  // Its parameters are few, and its summary shows their values.
  const WithStorage values;
  return kind.make(options, observation);
}

}  // namespace elbow
