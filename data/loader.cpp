#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace elbow {
namespace {

// By the exponent's bits, in one pass that vectorises.
bool any_not_finite(const std::byte* values, std::int64_t count) {
  constexpr std::uint32_t kExponent = 0x7F800000;
  std::uint32_t found = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, values + 4 * i, sizeof(bits));
    found |= static_cast<std::uint32_t>((bits & kExponent) == kExponent);
  }
  return found != 0;
}

bool any_not_finite(std::span<const double> values) {
  return !std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
}

}  // namespace

void fill_batch(const DataSet& images, const DataSet* labels, Batch& batch) {
  const auto count = static_cast<std::size_t>(batch.count());
  const auto row_bytes = static_cast<std::size_t>(images.row_bytes());
  batch.shape = images.row_shape();
  batch.type = images.type();
  batch.values.resize(count * row_bytes);
  images.read(batch.indices, batch.values.data());
  const std::size_t width = labels ? static_cast<std::size_t>(labels->row_elements()) : 0;
  batch.labels.resize(count * width);
  if (labels) labels->read(batch.indices, batch.labels);

  batch.not_finite.clear();
  for (std::size_t row = 0; row < count; ++row) {
    const bool in_values =
        batch.type == ValueType::kFloat32 &&
        any_not_finite(batch.values.data() + row * row_bytes, images.row_elements());
    if (in_values || any_not_finite(std::span(batch.labels).subspan(row * width, width))) {
      batch.not_finite.push_back(static_cast<std::int64_t>(row));
    }
  }
}

struct Loader::State {
  DataSet images;
  std::optional<DataSet> labels;
  NextIndices next_indices;
  std::vector<Batch> batches;  // a ring

  std::mutex mutex;
  std::condition_variable changed;
  std::size_t first = 0;   // batch that is delivered next, or was last while `delivered`
  std::size_t filled = 0;  // batches in use from `first` on, the delivered one included
  bool delivered = false;
  bool ended = false;
  bool stopping = false;
  std::exception_ptr error;
  std::chrono::steady_clock::duration waited{};
  std::thread thread;

  void run();
  Batch* claim();
};

// The next free batch, waiting for one; nullptr when the loader is to stop.
Batch* Loader::State::claim() {
  std::unique_lock held(mutex);
  changed.wait(held, [this] { return stopping || filled < batches.size(); });
  return stopping ? nullptr : &batches[(first + filled) % batches.size()];
}

void Loader::State::run() {
  try {
    while (Batch* batch = claim()) {
      std::optional<std::vector<std::int64_t>> indices = next_indices();
      if (!indices) break;
      batch->indices = std::move(*indices);
      fill_batch(images, labels ? &*labels : nullptr, *batch);
      const std::lock_guard held(mutex);
      ++filled;
      changed.notify_all();
    }
  } catch (...) {
    const std::lock_guard held(mutex);
    error = std::current_exception();
  }
  const std::lock_guard held(mutex);
  ended = true;
  changed.notify_all();
}

Loader::Loader(const DataSet& images, const DataSet* labels, NextIndices next_indices, int depth)
    : state_(
          new State{.images = images,
                    .labels = labels ? std::optional<DataSet>(*labels) : std::nullopt,
                    .next_indices = std::move(next_indices),
                    // One more, which the caller holds.
                    .batches = std::vector<Batch>(static_cast<std::size_t>(std::max(depth, 1)) + 1),
                    .mutex = {},
                    .changed = {},
                    .error = {},
                    .thread = {}}) {
  if (labels && labels->size() != images.size()) {
    throw DataError(fmt::format("{} has {} rows, but its labels {} have {}", images.name(),
                                images.size(), labels->name(), labels->size()));
  }
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Loader::~Loader() {
  {
    const std::lock_guard held(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_all();
  }
  state_->thread.join();
}

const Batch* Loader::next() {
  std::unique_lock held(state_->mutex);
  if (std::exchange(state_->delivered, false)) {
    state_->first = (state_->first + 1) % state_->batches.size();
    --state_->filled;
    state_->changed.notify_all();
  }
  if (state_->filled == 0 && !state_->ended) {
    const auto start = std::chrono::steady_clock::now();
    state_->changed.wait(held, [this] { return state_->filled > 0 || state_->ended; });
    state_->waited += std::chrono::steady_clock::now() - start;
  }
  if (state_->filled > 0) {
    state_->delivered = true;
    return &state_->batches[state_->first];
  }
  if (state_->error) std::rethrow_exception(state_->error);
  return nullptr;
}

double Loader::seconds_waited() const {
  const std::lock_guard held(state_->mutex);
  return std::chrono::duration<double>(state_->waited).count();
}

int Loader::queued() const {
  const std::lock_guard held(state_->mutex);
  return static_cast<int>(state_->filled) - (state_->delivered ? 1 : 0);
}

}  // namespace elbow
