#include "trainer/model/prior.h"

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/categorical_prior.h"
#include "trainer/model/conditional_prior.h"
#include "trainer/model/gaussian_prior.h"
#include "trainer/model/mixture_prior.h"
#include "trainer/model/product_prior.h"
#include "trainer/model/uniform_prior.h"
#include "trainer/model/vamp_prior.h"

namespace elbow {
namespace {

struct PriorKind {
  std::string name;
  std::shared_ptr<Prior> (*make)(const PriorOptions&, const PriorSetting&);
};

const std::vector<PriorKind>& priors() {
  static const std::vector<PriorKind> kinds = {
      {"gaussian", make_gaussian_prior},       {"uniform", make_uniform_prior},
      {"categorical", make_categorical_prior}, {"product", make_product_prior},
      {"mixture", make_mixture_prior},         {"vamp", make_vamp_prior},
      {"conditional", make_conditional_prior},
  };
  return kinds;
}

}  // namespace

std::vector<LatentAxis> Prior::axes() const {
  std::vector<LatentAxis> axes;
  for (std::int64_t i = 0; i < latent(); ++i) axes.push_back({i});
  return axes;
}

std::string Prior::summary() const { return counted(latent(), "latent"); }

std::vector<std::string> prior_names() {
  std::vector<std::string> names;
  for (const auto& kind : priors()) names.push_back(kind.name);
  return names;
}

std::shared_ptr<Prior> make_prior(const PriorOptions& options, const PriorSetting& setting) {
  for (const auto& kind : priors()) {
    if (kind.name == options.prior) return kind.make(options, setting);
  }
  throw ConfigError(fmt::format("option model.prior: there is no prior '{}'; {}", options.prior,
                                suggestion(options.prior, prior_names())));
}

}  // namespace elbow
