#include "monitoring/report/training_curves.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/report/report_input.h"
#include "monitoring/report/thinned_rows.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

// As docs/formats.md names them. samples_per_second and ranks are under `time`.
const std::vector<std::string> kTraining = {
    "objective",     "elbo",          "reconstruction",     "kl",
    "gradient_norm", "learning_rate", "samples_per_second", "ranks"};
// Of a line of training, beside figures.
const std::vector<std::string> kPosition = {"step",  "samples",         "stage",
                                            "epoch", "skipped_samples", "skipped_steps"};
constexpr std::size_t kMostFields = 64;
constexpr std::size_t kLongestField = 64;  // bytes
const std::vector<std::string> kValidation = {"validation_elbo",
                                              "validation_reconstruction",
                                              "validation_kl",
                                              "validation_log_likelihood",
                                              "validation_log_likelihood_given_c",
                                              "validation_average_elbo",
                                              "validation_average_reconstruction",
                                              "validation_average_kl",
                                              "validation_average_log_likelihood",
                                              "validation_average_log_likelihood_given_c"};
const std::vector<std::string> kPhases = {"data", "forward",   "backward",
                                          "sum",  "optimizer", "checkpoint"};
constexpr std::size_t kMostMarks = 200;

const Json& time_of(const Json& line) {
  static const Json none = Json::object();
  const auto found = line.find("time");
  return found != line.end() && found->is_object() ? *found : none;
}

bool is_in(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Those that every model has, and what else the line has a number for: a model may have figures of
// its own.
std::vector<std::string> fields_of(const Json& line) {
  std::vector<std::string> fields = kTraining;
  for (const auto& [name, value] : line.items()) {
    if (fields.size() == kMostFields) break;
    if (!value.is_number() || name.size() > kLongestField) continue;
    if (!is_in(fields, name) && !is_in(kPosition, name)) fields.push_back(name);
  }
  return fields;
}

Json to_json(const RowPosition& position) {
  return {{"step", position.step},
          {"samples", position.samples},
          {"seconds", rounded(position.seconds)}};
}

class Curves {
 public:
  void add(const Json& line) {
    const Json& time = time_of(line);
    const RowPosition position = position_of(line, time);
    if (line.contains("validation_elbo")) {
      add_validation(line, position);
    } else {
      add_training(line, time, position);
    }
  }

  Json to_json(std::int64_t refused) const {
    Json phases = Json::object();
    for (std::size_t i = 0; i < kPhases.size(); ++i)
      phases[kPhases[i]] = rounded(phase_seconds_[i]);
    return {{"training", training_.to_json()},
            {"validation", validation_.to_json()},
            {"best", best_},
            {"last", elbow::to_json(last_)},
            {"phases", phases},
            {"sessions", sessions_},
            {"stages", stages_},
            {"lines_refused", refused}};
  }

 private:
  // `seconds` begin anew with each session.
  RowPosition position_of(const Json& line, const Json& time) {
    RowPosition position{number_in(line, "step"), number_in(line, "samples"), last_.seconds};
    const double seconds = number_in(time, "seconds");
    if (std::isfinite(seconds)) {
      if (seconds < session_seconds_) {
        seconds_before_ = last_.seconds;
        if (sessions_.size() < kMostMarks) sessions_.push_back(elbow::to_json(last_));
      }
      session_seconds_ = seconds;
      position.seconds = seconds_before_ + seconds;
    }
    last_ = position;
    return position;
  }

  void add_training(const Json& line, const Json& time, const RowPosition& position) {
    if (training_.rows() == 0) {
      fields_ = fields_of(line);
      training_ = ThinnedRows(fields_);
    }
    std::vector<double> values;
    for (const std::string& name : fields_) {
      const bool of_time = name == "samples_per_second" || name == "ranks";
      values.push_back(number_in(of_time ? time : line, name.c_str()));
    }
    training_.add(position, values);
    for (std::size_t i = 0; i < kPhases.size(); ++i) {
      const double seconds = number_in(time, (kPhases[i] + "_seconds").c_str());
      if (std::isfinite(seconds)) phase_seconds_[i] += seconds;
    }
    const double stage = number_in(line, "stage");
    if (std::isfinite(stage) && stage != stage_) {
      stage_ = stage;
      if (stages_.size() < kMostMarks) stages_.push_back(elbow::to_json(position));
    }
  }

  void add_validation(const Json& line, const RowPosition& position) {
    std::vector<double> values;
    for (const std::string& name : kValidation) values.push_back(number_in(line, name.c_str()));
    validation_.add(position, values);
    if (number_in(line, "best") != 1) return;
    best_ = elbow::to_json(position);
    for (const char* name : {"epoch", "validation_count", "validation_samples"}) {
      best_[name] = number_in(line, name);
    }
    for (std::size_t i = 0; i < kValidation.size(); ++i) best_[kValidation[i]] = values[i];
  }

  std::vector<std::string> fields_ = kTraining;  // those of the first line
  ThinnedRows training_{kTraining};
  ThinnedRows validation_{kValidation};
  Json best_;
  RowPosition last_;
  double session_seconds_ = 0;
  double seconds_before_ = 0;
  double stage_ = 0;
  std::vector<double> phase_seconds_ = std::vector<double>(kPhases.size());
  Json sessions_ = Json::array();
  Json stages_ = Json::array();
};

}  // namespace

Json training_curves(const std::filesystem::path& metrics) {
  Curves curves;
  const std::int64_t refused =
      for_each_json_line(metrics, [&](const Json& line) { curves.add(line); });
  return curves.to_json(refused);
}

}  // namespace elbow
