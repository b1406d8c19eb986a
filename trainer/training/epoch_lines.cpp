#include "trainer/training/epoch_lines.h"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace elbow {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kBetweenLines(1);

std::string nats_text(double value) {
  return std::abs(value) < 1e6 ? fmt::format("{:.2f}", value) : fmt::format("{:.4g}", value);
}

// "epoch  3/20"
std::string epoch_text(std::int64_t epoch, std::int64_t epochs) {
  const std::string last = std::to_string(epochs);
  return fmt::format("epoch {:>{}}/{}", epoch + 1, last.size(), last);
}

// "  ELBO 231.42 nats (KL 25.13)"
std::string training_text(const StepSums& sums, const std::vector<FigureKind>& kinds) {
  if (sums.count() == 0) return "  no step made an update";
  const bool bounded = !std::isnan(sums.mean(kElboFigure));
  const std::size_t first = bounded ? kElboFigure : kObjectiveFigure;
  std::string text =
      fmt::format("  {} {} {}", kinds[first].title, nats_text(sums.mean(first)), kinds[first].unit);
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (!kinds[i].brief || std::isnan(sums.mean(i))) continue;
    terms.push_back(fmt::format("{} {}", kinds[i].title, nats_text(sums.mean(i))));
  }
  return terms.empty() ? text : fmt::format("{} ({})", text, join(terms, ", "));
}

}  // namespace

EpochLines::EpochLines(std::vector<FigureKind> kinds, std::int64_t epochs,
                       const nlohmann::ordered_json& earlier)
    : kinds_(std::move(kinds)),
      epochs_(epochs),
      sums_(earlier.is_null() ? StepSums(kinds_) : StepSums(kinds_, earlier)) {}

std::string EpochLines::take_ended() {
  if (!ended_.empty()) told_ = Clock::now();
  return std::exchange(ended_, "");
}

std::string EpochLines::step(const StepReport& report, bool epoch_ended) {
  if (Clock::now() - told_ < kBetweenLines) ended_.clear();
  std::string complete = take_ended();
  sums_.add(report);
  if (epoch_ended) {
    ended_ = epoch_text(report.epoch, epochs_) + training_text(sums_, kinds_);
    sums_ = StepSums(kinds_);
  }
  return complete;
}

std::string EpochLines::validation(const ValidationReport& report) {
  if (ended_.empty()) {
    ended_ =
        fmt::format("{}, step {}", epoch_text(report.epoch, epochs_), human_count(report.step));
  }
  const Figures& figures = report.figures;
  const bool bounded = !std::isnan(figures.elbo);
  ended_ += fmt::format("  validation {} {}{}", bounded ? "ELBO" : "log p(x)",
                        nats_text(bounded ? figures.elbo : figures.log_likelihood),
                        report.best ? " (best)" : "");
  return take_ended();
}

std::string EpochLines::finish() { return take_ended(); }

}  // namespace elbow
