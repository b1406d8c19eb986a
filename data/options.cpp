#include "data/options.h"

#include <cmath>

#include "base/text.h"

namespace elbow {
namespace {

std::string check_spec(const std::string& spec) {
  const std::size_t colon = spec.rfind(":/");
  const bool complete = colon != std::string::npos && colon > 0 && colon + 2 < spec.size();
  return complete ? "" : "must be FILE:/path, as in fashion.h5:/train/images";
}

std::string check_optional_spec(const std::string& spec) {
  return spec.empty() ? "" : check_spec(spec);
}

std::string check_validation(const std::string& value) {
  double number = 0;
  if (!parse_number(value, number)) {
    return check_spec(value).empty() ? "" : "must be a fraction, a count, or FILE:/path";
  }
  if (number < 0) return "must not be negative";
  if (number >= 1 && number != std::floor(number)) {
    return "must be a fraction below 1 or a whole number of samples";
  }
  return "";
}

}  // namespace

void declare(OptionTable& table, DataOptions& options) {
  // Files may move while a run is not at work: fingerprints tell whether the data are the same.
  table
      .add("data.train", &options.train,
           "Samples to train on: FILE:/path, a pattern of files such as shards/*.h5:/images, or a "
           "list of these",
           check_spec)
      .may_change = true;
  table
      .add("data.labels", &options.labels,
           "Labels or conditions beside data.train, a row for each sample: FILE:/path or a "
           "pattern of files",
           check_optional_spec)
      .may_change = true;
  Option& validation = table.add(
      "data.validation", &options.validation,
      "Samples held out for validation: a fraction or a count of data.train, or FILE:/path",
      check_validation);
  validation.number_allowed = true;
  table
      .add("data.validation_labels", &options.validation_labels,
           "Labels beside a data.validation that is FILE:/path", check_optional_spec)
      .may_change = true;
  table.add("data.window", &options.window,
            "Samples mixed at a time when a file's chunks are read in order", at_least(1));
  table.add("data.nan", &options.nan,
            "What a sample with a NaN or an infinity does: stop the run, or be skipped",
            one_of({"stop", "skip"}));
  table
      .add("data.mismatch", &options.mismatch,
           "What a data.validation of its own does whose values are on another scale than those "
           "trained on: stop the run, or give a warning",
           one_of({"stop", "warn"}))
      .may_change = true;
}

bool validation_is_file(const DataOptions& options) {
  return options.validation.find(":/") != std::string::npos;
}

}  // namespace elbow
