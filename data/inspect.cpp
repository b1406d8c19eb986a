#include "data/inspect.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <span>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "data/data_set.h"
#include "data/order.h"
#include "data/spec.h"

namespace elbow {
namespace {

constexpr std::int64_t kLookedAtRuns = 16;
constexpr std::int64_t kValueBytes = std::int64_t{256} << 20;
constexpr std::int64_t kBatch = 256;
constexpr std::int64_t kBatchBytes = std::int64_t{64} << 20;
constexpr std::size_t kDetailed = 8;

DataSet open_part(const PartInfo& part, const InspectOptions& options) {
  DataSet data = DataSet::open({part.name()}, RowKind::kLabels);
  data.set_cache(options.cache);
  return data;
}

// Rows that are looked at together: as many as memory for their values is given, but one at least.
std::int64_t batch_of(std::int64_t row_bytes) {
  return std::clamp<std::int64_t>(kBatchBytes / row_bytes, 1, kBatch);
}

void add_row(std::int64_t row, std::span<const double> values, ValueSummary& summary) {
  bool bad = false;
  for (const double value : values) {
    if (std::isfinite(value)) {
      summary.lowest = std::min(summary.lowest, value);
      summary.highest = std::max(summary.highest, value);
      summary.any_finite = true;
    } else {
      bad = true;
      ++(std::isnan(value) ? summary.nans : summary.infinities);
    }
  }
  if (bad && summary.first_bad_row < 0) summary.first_bad_row = row;
}

}  // namespace

ValueSummary summarise_values(const PartInfo& part, const InspectOptions& options) {
  const DataSet data = open_part(part, options);
  const std::int64_t elements = part.row_elements();
  const std::int64_t affordable = std::max<std::int64_t>(1, kValueBytes / part.row_bytes());
  const std::int64_t rows = std::min({part.rows, options.value_rows, affordable});
  const std::int64_t runs = std::min(kLookedAtRuns, rows);
  ValueSummary summary;
  summary.rows = rows;
  summary.lowest = std::numeric_limits<double>::infinity();
  summary.highest = -summary.lowest;
  std::vector<double> values;
  std::vector<std::int64_t> indices;
  const std::int64_t batch = batch_of(elements * static_cast<std::int64_t>(sizeof(double)));
  for (std::int64_t run = 0; run < runs; ++run) {
    // The run's share of the rows that are read, at its share of the part.
    const std::int64_t count = rows * (run + 1) / runs - rows * run / runs;
    const std::int64_t first = rows * run / runs + (part.rows - rows) / runs * run;
    for (std::int64_t start = first; start < first + count; start += batch) {
      indices.resize(static_cast<std::size_t>(std::min(batch, first + count - start)));
      std::iota(indices.begin(), indices.end(), start);
      values.resize(indices.size() * static_cast<std::size_t>(elements));
      data.read(indices, values);
      for (std::size_t i = 0; i < indices.size(); ++i) {
        add_row(indices[i],
                std::span(values).subspan(i * static_cast<std::size_t>(elements),
                                          static_cast<std::size_t>(elements)),
                summary);
      }
    }
  }
  return summary;
}

ReadingSpeed measure_reading(const PartInfo& part, const InspectOptions& options) {
  using Clock = std::chrono::steady_clock;
  const DataSet data = open_part(part, options);
  const Order order(Split(1, data.size(), 0), data.layout(), 1, options.window);
  const EpochOrder epoch = order.epoch(0);
  ReadingSpeed speed;
  speed.windowed = order.windowed();
  const std::int64_t window = std::min(std::max(options.window, part.slab_rows), epoch.size());
  const std::int64_t batch = batch_of(data.row_bytes());
  std::vector<std::byte> values(static_cast<std::size_t>(batch * data.row_bytes()));
  std::vector<std::int64_t> indices;
  const auto start = Clock::now();
  double seconds = 0;
  while (speed.rows < epoch.size() && seconds < options.seconds) {
    indices.clear();
    for (std::int64_t i = speed.rows; i < std::min(speed.rows + batch, epoch.size()); ++i) {
      indices.push_back(epoch.at(i));
    }
    data.read(indices, values.data());
    speed.rows += std::ssize(indices);
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
    // Chunks are decoded at a window's beginning: only whole windows give the average.
    if (speed.windowed && speed.rows >= window) break;
  }
  speed.rows_per_second = static_cast<double>(speed.rows) / std::max(seconds, 1e-9);
  speed.whole_window = !speed.windowed || speed.rows >= window;
  return speed;
}

namespace {

std::string chunk_remedy(const PartInfo& part) {
  constexpr std::int64_t kSmallEnough = std::int64_t{4} << 30;
  const std::string output = std::filesystem::path(part.file).stem().string() + "-repacked.h5";
  if (part.filters.empty() || part.rows * part.row_bytes() <= kSmallEnough) {
    return fmt::format("h5repack -l {0}:CONTI -f {0}:NONE {1} {2}", part.path, part.file, output);
  }
  std::string chunk = fmt::format("{}", std::min<std::int64_t>(kBatch, part.rows));
  for (const std::int64_t extent : part.row_shape) chunk += fmt::format("x{}", extent);
  return fmt::format("h5repack -l {0}:CHUNK={1} -f {0}:GZIP=4 {2} {3}", part.path, chunk, part.file,
                     output);
}

std::int64_t chunks_in_a_row(const PartInfo& part) {
  std::int64_t count = 1;
  for (std::size_t axis = 0; axis < part.row_shape.size(); ++axis) {
    const std::int64_t extent = part.chunk[axis + 1];
    count *= (part.row_shape[axis] + extent - 1) / extent;
  }
  return count;
}

}  // namespace

LayoutVerdict judge_layout(const PartInfo& part, const InspectOptions& options) {
  LayoutVerdict verdict;
  if (part.chunk.empty()) return verdict;
  const std::int64_t pieces = chunks_in_a_row(part);
  if (pieces > 1) {
    verdict.problems.push_back(
        fmt::format("chunks {} cut each row into {} pieces: reading one row decodes {} chunks",
                    shape_text(part.chunk), pieces, pieces));
  }
  if (part.slab_rows > options.window) {
    verdict.problems.push_back(fmt::format(
        "a chunk holds {} rows, more than the window of {}: batches are drawn from one chunk at a "
        "time, and the first waits for all of it",
        human_count(part.slab_rows), human_count(options.window)));
  }
  const std::int64_t held = std::max(options.window, part.slab_rows);
  const std::int64_t bytes = held * part.row_bytes();
  if (bytes > options.cache.bytes) {
    verdict.problems.push_back(fmt::format(
        "{} rows that are mixed at a time hold {}, the cache {}: chunks are decoded many times "
        "over (a smaller data.window may do)",
        human_count(held), human_bytes(static_cast<double>(bytes)),
        human_bytes(static_cast<double>(options.cache.bytes))));
  }
  if (!verdict.problems.empty()) verdict.remedy = chunk_remedy(part);
  return verdict;
}

namespace {

std::string layout_text(const PartInfo& part) {
  std::string text = part.layout;
  if (!part.chunk.empty()) text += " " + shape_text(part.chunk);
  if (!part.filters.empty()) text += ", " + join(part.filters, ", ");
  return text;
}

std::string values_text(const PartInfo& part, const ValueSummary& values) {
  std::string text = values.any_finite
                         ? fmt::format("{:.6g} to {:.6g}", values.lowest, values.highest)
                         : "no finite value";
  const std::string total = human_count(part.rows);
  return text + (values.rows == part.rows
                     ? fmt::format(" (all {} rows)", total)
                     : fmt::format(" (in {} of {} rows)", human_count(values.rows), total));
}

std::string speed_text(const ReadingSpeed& speed, std::int64_t row_bytes) {
  std::string text = fmt::format(
      "{} rows/s ({}/s), {} rows read in training order",
      human_count(static_cast<std::int64_t>(std::llround(speed.rows_per_second))),
      human_bytes(speed.rows_per_second * static_cast<double>(row_bytes)), human_count(speed.rows));
  if (!speed.whole_window) text += "; stopped before the first window was complete";
  return text;
}

std::string details(const PartInfo& part, const InspectOptions& options) {
  const auto line = [](const char* name, const std::string& value) {
    return fmt::format("  {:<12}{}\n", name, value);
  };
  std::string text = part.name() + "\n";
  text += line("shape", fmt::format("{}: {} rows of {} values", shape_text(part.shape()),
                                    human_count(part.rows), human_count(part.row_elements())));
  text += line("type", part.stored.text);
  text += line("layout", layout_text(part));
  const ValueSummary values = summarise_values(part, options);
  text += line("values", values_text(part, values));
  const bool bad = values.first_bad_row >= 0;
  text += line("not finite", bad ? fmt::format("{} NaN, {} infinite; the first in row {}",
                                               human_count(values.nans),
                                               human_count(values.infinities), values.first_bad_row)
                                 : "none seen");
  text += line("speed", speed_text(measure_reading(part, options), part.row_bytes()));
  const LayoutVerdict verdict = judge_layout(part, options);
  if (verdict.problems.empty()) return text + line("verdict", "reads well");
  text += line("verdict", "HOSTILE LAYOUT");
  for (const std::string& problem : verdict.problems) text += line("", problem);
  return text + line("remedy", verdict.remedy);
}

std::string details_or_problem(const PartInfo& part, const InspectOptions& options) {
  try {
    return details(part, options);
  } catch (const DataError& error) {
    return fmt::format("{}\n", error.what());
  }
}

// One line a data set: path, shape, type, layout, in columns.
std::string table(const std::vector<std::string>& paths, const std::string& file,
                  std::vector<PartInfo>& usable) {
  std::vector<std::array<std::string, 4>> rows;
  for (const std::string& path : paths) {
    try {
      examine_parts(std::array{PartName{file, path}});
      const PartInfo part = describe_part(file, path);
      rows.push_back({path, shape_text(part.shape()), part.stored.text, layout_text(part)});
      if (part.row_shape.size() <= 3) usable.push_back(part);
    } catch (const DataError& error) {
      rows.push_back({path, "-", "-", error.what()});
    }
  }
  std::array<std::size_t, 3> width{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < width.size(); ++i) width[i] = std::max(width[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    text += fmt::format("  {:<{}}  {:<{}}  {:<{}}  {}\n", row[0], width[0], row[1], width[1],
                        row[2], width[2], row[3]);
  }
  return text;
}

}  // namespace

std::string inspect(const std::string& target, const InspectOptions& options) {
  if (target.rfind(":/") != std::string::npos) {
    DataSet::open({target}, RowKind::kLabels);
    const PartName name = parse_spec(target);
    return details(describe_part(name.file, name.path), options);
  }
  hdf5::rehearse(target, [&] { hdf5::list_data_sets(hdf5::open_file(target), true); });
  const hdf5::Handle opened = hdf5::open_file(target);
  const std::vector<std::string> paths = hdf5::list_data_sets(opened, true);
  const auto bytes = static_cast<double>(std::filesystem::file_size(target));
  std::string text = fmt::format("{}: {}, {} numeric data set{}\n", target, human_bytes(bytes),
                                 paths.size(), paths.size() == 1 ? "" : "s");
  std::vector<PartInfo> usable;
  text += table(paths, target, usable);
  for (std::size_t i = 0; i < std::min(usable.size(), kDetailed); ++i) {
    text += "\n" + details_or_problem(usable[i], options);
  }
  if (usable.size() > kDetailed) {
    text += fmt::format("\n{} more: elbow data inspect {}:/path looks at one of them\n",
                        usable.size() - kDetailed, target);
  }
  return text;
}

}  // namespace elbow
