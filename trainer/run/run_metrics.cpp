#include "trainer/run/run_metrics.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/input_file.h"
#include "base/json_input.h"
#include "trainer/model/conditioning.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// About 40,000 lines.
constexpr std::uintmax_t kLongestEnd = 16 << 20;
constexpr std::size_t kLongestLine = 65536;
constexpr std::size_t kLinesForRate = 50;

std::optional<RunFigures> figures_of(const Json& json) {
  const auto step = find_whole_number(json, "step");
  const auto samples = find_whole_number(json, "samples");
  const auto epoch = find_whole_number(json, "epoch");
  if (!step || !samples || !epoch) return std::nullopt;
  RunFigures figures{*step, *samples, *epoch, {}, {}, false, 0};
  const bool validation = json.contains("validation_count");
  figures.elbo = find_number(json, validation ? "validation_elbo" : "elbo");
  if (validation) {
    figures.given_c = json.contains(likelihood_key("validation_log_likelihood", true));
    const std::string key = likelihood_key("validation_log_likelihood", figures.given_c);
    figures.log_likelihood = find_number(json, key.c_str());
  }
  const auto time = json.find("time");
  if (time != json.end()) figures.seconds = find_number(*time, "seconds").value_or(0);
  return figures;
}

// What the lines are gathered into, from the first to the last.
class Gathered {
 public:
  void add(const Json& json) {
    const auto figures = figures_of(json);
    if (!figures) return;
    note_place(*figures);
    if (json.contains("validation_count")) {
      metrics_.validation = figures;
      if (find_number(json, "best").value_or(0) == 1) metrics_.best = figures;
    } else {
      metrics_.training = figures;
    }
  }

  RunMetrics metrics() {
    const auto& first = recent_.empty() ? RunFigures{} : recent_.front();
    const auto& last = recent_.empty() ? RunFigures{} : recent_.back();
    if (last.seconds > first.seconds && last.samples > first.samples) {
      metrics_.samples_per_second =
          static_cast<double>(last.samples - first.samples) / (last.seconds - first.seconds);
    }
    return metrics_;
  }

 private:
  void note_place(const RunFigures& figures) {
    // A session that goes on begins to count anew.
    if (!recent_.empty() && figures.seconds < recent_.back().seconds) {
      recent_.clear();
      metrics_.longest_gap = 0;
    }
    if (!recent_.empty()) {
      metrics_.longest_gap =
          std::max(metrics_.longest_gap, figures.seconds - recent_.back().seconds);
    }
    recent_.push_back(figures);
    if (recent_.size() > kLinesForRate) recent_.pop_front();
  }

  RunMetrics metrics_;
  std::deque<RunFigures> recent_;
};

}  // namespace

RunMetrics read_run_metrics(const fs::path& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return {};
  const auto size = errors_as<CheckpointError>([&] { return InputFile(path).size(); });
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) throw CheckpointError(fmt::format("{} cannot be read", path.string()));
  std::string line;
  if (size > kLongestEnd) {
    file.seekg(static_cast<std::streamoff>(size - kLongestEnd));
    std::getline(file, line);  // the rest of one
  }
  Gathered gathered;
  while (std::getline(file, line)) {
    if (line.size() <= kLongestLine) gathered.add(Json::parse(line, nullptr, false));
  }
  RunMetrics metrics = gathered.metrics();
  metrics.age = file_age(path).value_or(0);
  return metrics;
}

std::optional<double> file_age(const fs::path& path) {
  std::error_code error;
  const auto changed = fs::last_write_time(path, error);
  if (error) return std::nullopt;
  const std::chrono::duration<double> age = fs::file_time_type::clock::now() - changed;
  return std::max(0.0, age.count());
}

}  // namespace elbow
