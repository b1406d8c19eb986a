#include "trainer/model/prior_options.h"

#include "trainer/model/most_units.h"
#include "trainer/model/prior.h"

namespace elbow {

void declare(OptionTable& table, PriorOptions& options) {
  table.add("model.latent", &options.latent, "how many numbers the code z of an image has",
            between(1, kMostUnits));
  table.add("model.prior", &options.prior,
            "distribution of codes before an image is seen; gaussian: independent, mean 0, "
            "deviation 1; uniform: on [-1, 1]; categorical: one of finitely many values; product: "
            "of several of these; mixture: of gaussians, learned; vamp: mixture of the encoder's "
            "answers to learned images; conditional: gaussian, learned for each condition",
            one_of(prior_names()));
  table.add("model.categories", &options.categories,
            "prior categorical: how many values each variable has, in place of model.latent, for "
            "example [10, 4]",
            between(2, kMostUnits));
  table.add("model.temperature", &options.temperature,
            "prior categorical: draws in training are softened by so much where the values are too "
            "many to be summed over; towards 0 they become one-hot and gradients noisy",
            between(0.01, 100));
  table.add("model.components", &options.components,
            "priors mixture and vamp: number of components", between(1, kMostUnits));
  table.add("model.factors", &options.factors,
            "prior product: a prior and its size each, in place of model.latent, for example "
            "[\"categorical 183\", \"uniform 2\"]");
}

}  // namespace elbow
