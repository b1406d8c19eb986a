#include "trainer/model/likelihood.h"

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/bernoulli_likelihood.h"
#include "trainer/model/gaussian_likelihood.h"

namespace elbow {
namespace {

const std::vector<LikelihoodKind>& registry() {
  static const std::vector<LikelihoodKind> kinds = {
      {"gaussian", true, make_gaussian_likelihood},
      {"bernoulli", false, make_bernoulli_likelihood},
  };
  return kinds;
}

}  // namespace

std::vector<std::string> likelihood_names() {
  std::vector<std::string> names;
  for (const auto& kind : registry()) names.push_back(kind.name);
  return names;
}

const LikelihoodKind& likelihood_kind(const std::string& name) {
  for (const auto& kind : registry()) {
    if (kind.name == name) return kind;
  }
  throw ConfigError(fmt::format("option model.likelihood: there is no likelihood '{}'; {}", name,
                                suggestion(name, likelihood_names())));
}

std::shared_ptr<Likelihood> make_likelihood(const ModelOptions& options,
                                            const Observation& observation) {
  return likelihood_kind(options.likelihood).make(options, observation);
}

}  // namespace elbow
