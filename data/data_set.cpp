#include "data/data_set.h"

#include <algorithm>
#include <list>
#include <numeric>
#include <type_traits>

#include <fmt/format.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "data/part.h"
#include "data/spec.h"

namespace elbow {
namespace {

// Fewer than a process may usually have open (1024), for several readers in one process.
constexpr std::size_t kOpenFiles = 64;
constexpr std::int64_t kFingerprintRows = 64;
constexpr std::size_t kMostAxes = 3;

void check_axes(const PartInfo& part, RowKind kind) {
  if (part.row_shape.size() > kMostAxes) {
    throw DataError(fmt::format("{} has the shape {}: a row may have at most three axes",
                                part.name(), shape_text(part.shape())));
  }
  if (part.row_shape.empty() && kind == RowKind::kSamples) {
    throw DataError(
        fmt::format("{} has the shape {}: samples need one to three axes behind the "
                    "first; only labels may be single numbers",
                    part.name(), shape_text(part.shape())));
  }
}

void check_agreement(const PartInfo& first, const PartInfo& part) {
  if (part.row_shape != first.row_shape) {
    throw DataError(fmt::format("parts disagree in shape: {} has rows of {}, {} of {}",
                                first.name(), shape_text(first.row_shape), part.name(),
                                shape_text(part.row_shape)));
  }
  if (part.stored.kind != first.stored.kind) {
    throw DataError(fmt::format("parts disagree in type: {} holds {}, {} {}", first.name(),
                                first.stored.text, part.name(), part.stored.text));
  }
}

}  // namespace

// A run of rows that are read and delivered together.
struct Run {
  std::size_t part;
  std::int64_t row;    // in the part
  std::int64_t place;  // in the output
  std::int64_t count;
};

struct DataSet::State {
  std::vector<PartInfo> parts;
  std::vector<PartLayout> layout;
  std::int64_t size = 0;
  std::int64_t row_elements = 0;
  CacheLimits limits;
  std::string fingerprint;  // once it was asked for

  struct OpenPart {
    OpenPart(std::size_t number, const PartInfo& info) : part(number), reader(info) {}
    std::size_t part;
    PartReader reader;
  };
  std::list<OpenPart> open;  // most recently used first
  SlabCache cache{limits};
  std::vector<std::size_t> by_index;  // places in the output, by index
  std::vector<std::byte> raw;

  PartReader& reader(std::size_t part);
  const std::byte* slab(std::size_t part, std::int64_t slab);
  std::size_t part_of(std::int64_t index) const;
  template <typename Out>
  void read(std::span<const std::int64_t> indices, Out* out);
  template <typename Out>
  void read_run(const Run& run, Out* out);
};

PartReader& DataSet::State::reader(std::size_t part) {
  const auto found = std::find_if(open.begin(), open.end(),
                                  [part](const OpenPart& entry) { return entry.part == part; });
  if (found != open.end()) {
    open.splice(open.begin(), open, found);
  } else {
    if (open.size() == kOpenFiles) open.pop_back();
    open.emplace_front(part, parts[part]);
  }
  return open.front().reader;
}

const std::byte* DataSet::State::slab(std::size_t part, std::int64_t slab) {
  if (const std::byte* values = cache.find(part, slab)) return values;
  const PartInfo& info = parts[part];
  const std::int64_t first = slab * info.slab_rows;
  const std::int64_t rows = std::min(info.slab_rows, info.rows - first);
  PartReader& from = reader(part);
  std::byte* values = cache.add(part, slab, rows, rows * info.row_bytes());
  try {
    from.read_raw(first, rows, values);
  } catch (...) {
    cache.drop_newest();
    throw;
  }
  return values;
}

std::size_t DataSet::State::part_of(std::int64_t index) const {
  if (index < 0 || index >= size) {
    throw DataError(
        fmt::format("there is no row {} in {}: it has {} rows", index, parts.front().name(), size));
  }
  const auto behind =
      std::upper_bound(layout.begin(), layout.end(), index,
                       [](std::int64_t i, const PartLayout& part) { return i < part.first; });
  return static_cast<std::size_t>(behind - layout.begin()) - 1;
}

template <typename Out>
void DataSet::State::read_run(const Run& run, Out* out) {
  const PartInfo& info = parts[run.part];
  const std::int64_t row_bytes = info.row_bytes();
  out += run.place * row_elements;
  if (info.offset) {
    const std::int64_t bytes = run.count * row_bytes;
    const bool as_stored =
        !info.stored.swapped && sizeof(Out) == info.stored.bytes &&
        ((std::is_same_v<Out, std::uint8_t>) ||
         (std::is_same_v<Out, float> && info.stored.kind == StoredType::Kind::kFloat32));
    if (as_stored) {
      reader(run.part).read_raw(run.row, run.count, reinterpret_cast<std::byte*>(out));
      return;
    }
    raw.resize(static_cast<std::size_t>(bytes));
    reader(run.part).read_raw(run.row, run.count, raw.data());
    decode_values(info.stored, raw.data(), run.count * row_elements, out);
    return;
  }
  for (std::int64_t row = run.row; row < run.row + run.count;) {
    const std::int64_t number = row / info.slab_rows;
    const std::int64_t within = row - number * info.slab_rows;
    const std::int64_t rows = std::min(info.slab_rows - within, run.row + run.count - row);
    decode_values(info.stored, slab(run.part, number) + within * row_bytes, rows * row_elements,
                  out + (row - run.row) * row_elements);
    row += rows;
  }
}

// Rows are read in the order of their indices, so that a chunk that is needed by several of them is
// needed once, and a disk sees ascending places.
template <typename Out>
void DataSet::State::read(std::span<const std::int64_t> indices, Out* out) {
  by_index.resize(indices.size());
  std::iota(by_index.begin(), by_index.end(), std::size_t{0});
  if (!std::is_sorted(indices.begin(), indices.end())) {
    std::sort(by_index.begin(), by_index.end(),
              [indices](std::size_t a, std::size_t b) { return indices[a] < indices[b]; });
  }
  for (std::size_t i = 0; i < by_index.size();) {
    const std::int64_t index = indices[by_index[i]];
    const std::size_t part = part_of(index);
    Run run{part, index - layout[part].first, static_cast<std::int64_t>(by_index[i]), 1};
    while (++i < by_index.size() && by_index[i] == by_index[i - 1] + 1 &&
           indices[by_index[i]] == index + run.count && run.row + run.count < layout[part].rows) {
      ++run.count;
    }
    read_run(run, out);
  }
}

DataSet DataSet::open(const std::vector<std::string>& specs, RowKind kind) {
  auto state = std::make_unique<State>();
  const std::vector<PartName> names = expand_specs(specs);
  examine_parts(names);
  for (const PartName& name : names) {
    PartInfo part = describe_part(name.file, name.path);
    check_axes(part, kind);
    if (!state->parts.empty()) check_agreement(state->parts.front(), part);
    state->layout.push_back({state->size, part.rows, part.offset ? 1 : part.slab_rows});
    state->size += part.rows;
    state->parts.push_back(std::move(part));
  }
  state->row_elements = state->parts.front().row_elements();
  return DataSet(std::move(state));
}

DataSet::DataSet(std::unique_ptr<State> state) : state_(std::move(state)) {}
DataSet::DataSet(DataSet&&) noexcept = default;
DataSet& DataSet::operator=(DataSet&&) noexcept = default;
DataSet::~DataSet() = default;

DataSet::DataSet(const DataSet& other) : state_(std::make_unique<State>()) {
  state_->parts = other.state_->parts;
  state_->layout = other.state_->layout;
  state_->size = other.state_->size;
  state_->row_elements = other.state_->row_elements;
  set_cache(other.state_->limits);
}

DataSet& DataSet::operator=(const DataSet& other) {
  if (this != &other) *this = DataSet(other);
  return *this;
}

std::int64_t DataSet::size() const { return state_->size; }

const std::vector<std::int64_t>& DataSet::row_shape() const {
  return state_->parts.front().row_shape;
}

std::int64_t DataSet::row_elements() const { return state_->row_elements; }

ValueType DataSet::type() const { return state_->parts.front().stored.delivered_as(); }

std::int64_t DataSet::row_bytes() const {
  return state_->row_elements * static_cast<std::int64_t>(value_bytes(type()));
}

const std::string& DataSet::stored_type() const { return state_->parts.front().stored.text; }

const std::vector<PartLayout>& DataSet::layout() const { return state_->layout; }

bool DataSet::chunked() const {
  return std::any_of(state_->parts.begin(), state_->parts.end(),
                     [](const PartInfo& part) { return !part.offset; });
}

std::string DataSet::part_name(std::size_t part) const { return state_->parts.at(part).name(); }

std::string DataSet::row_name(std::int64_t index) const {
  const std::size_t part = state_->part_of(index);
  return fmt::format("row {} of {}", index - state_->layout[part].first, part_name(part));
}

std::string DataSet::name() const {
  const std::size_t others = state_->parts.size() - 1;
  return others == 0 ? part_name(0) : fmt::format("{} and {} more", part_name(0), others);
}

void DataSet::read(std::span<const std::int64_t> indices, std::byte* out) const {
  if (type() == ValueType::kUint8) {
    state_->read(indices, reinterpret_cast<std::uint8_t*>(out));
  } else {
    state_->read(indices, reinterpret_cast<float*>(out));
  }
}

void DataSet::read(std::span<const std::int64_t> indices, std::span<double> out) const {
  if (std::ssize(out) < std::ssize(indices) * row_elements()) {
    throw DataError(fmt::format("no room for {} rows of {}", indices.size(), name()));
  }
  state_->read(indices, out.data());
}

void DataSet::set_cache(const CacheLimits& limits) {
  state_->limits = limits;
  state_->cache = SlabCache(limits);
}

std::string DataSet::fingerprint() const {
  if (!state_->fingerprint.empty()) return state_->fingerprint;
  std::vector<std::int64_t> rows;
  const std::int64_t last = size() - 1;
  for (std::int64_t i = 0; i < kFingerprintRows; ++i) {
    // Evenly from the first row to the last; without forming i * last, which may overflow.
    const std::int64_t steps = kFingerprintRows - 1;
    const std::int64_t row = last / steps * i + last % steps * i / steps;
    if (rows.empty() || rows.back() != row) rows.push_back(row);
  }
  Hash hash;
  hash.add(fmt::format("elbow data 1 {} {} {}\n", size(), shape_text(row_shape()),
                       type() == ValueType::kUint8 ? "uint8" : "float32"));
  std::vector<std::byte> values(static_cast<std::size_t>(row_bytes()));
  for (const std::int64_t row : rows) {
    read(std::span(&row, 1), values.data());
    hash.add(values);
  }
  return state_->fingerprint = hash.hex();
}

DataSet open_labels(const std::string& spec, const DataSet& samples) {
  DataSet labels = DataSet::open({spec}, RowKind::kLabels);
  if (labels.size() != samples.size()) {
    throw DataError(fmt::format("{} holds {} labels for the {} samples of {}", labels.name(),
                                labels.size(), samples.size(), samples.name()));
  }
  return labels;
}

}  // namespace elbow
