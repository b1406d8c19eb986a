#include "trainer/model/prior.h"

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/gaussian_prior.h"

namespace elbow {
namespace {

struct Kind {
  std::string name;
  std::shared_ptr<Prior> (*make)(const ModelOptions&);
};

const std::vector<Kind>& registry() {
  static const std::vector<Kind> kinds = {
      {"gaussian", make_gaussian_prior},
  };
  return kinds;
}

}  // namespace

std::vector<std::string> prior_names() {
  std::vector<std::string> names;
  for (const auto& kind : registry()) names.push_back(kind.name);
  return names;
}

std::shared_ptr<Prior> make_prior(const ModelOptions& options) {
  for (const auto& kind : registry()) {
    if (kind.name == options.prior) return kind.make(options);
  }
  throw ConfigError(fmt::format("option model.prior: there is no prior '{}'; {}", options.prior,
                                suggestion(options.prior, prior_names())));
}

}  // namespace elbow
