#include "monitoring/report/log_excerpt.h"

#include <cstdint>
#include <deque>
#include <utility>

#include "base/json_input.h"
#include "monitoring/report/report_input.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostLines = 200;  // of each kind

struct Line {
  std::int64_t number;
  Json content;
};

void keep(std::deque<Line>& lines, Line line) {
  lines.push_back(std::move(line));
  if (lines.size() > kMostLines) lines.pop_front();
}

// Both in the order of the file.
Json merged(std::deque<Line> a, std::deque<Line> b) {
  Json lines = Json::array();
  while (!a.empty() || !b.empty()) {
    auto& next = b.empty() || (!a.empty() && a.front().number < b.front().number) ? a : b;
    lines.push_back(std::move(next.front().content));
    next.pop_front();
  }
  return lines;
}

}  // namespace

Json log_excerpt(const std::filesystem::path& log) {
  std::deque<Line> informative;
  std::deque<Line> alarming;
  std::int64_t number = 0;
  std::int64_t warnings = 0;
  std::int64_t errors = 0;
  const std::int64_t refused = for_each_json_line(log, [&](const Json& object) {
    const std::string level = find_text(object, "level");
    warnings += level == "warning";
    errors += level == "error";
    Line line{++number,
              {{"time", clipped(find_text(object, "time"))},
               {"level", clipped(level)},
               {"rank", number_in(object, "rank")},
               {"message", clipped(find_text(object, "message"))}}};
    keep(level == "warning" || level == "error" ? alarming : informative, std::move(line));
  });
  return {{"warnings", warnings},
          {"errors", errors},
          {"lines_refused", refused},
          {"lines", merged(std::move(informative), std::move(alarming))}};
}

}  // namespace elbow
