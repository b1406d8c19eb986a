// Batches read ahead by a thread of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "data/batch.h"
#include "data/data_set.h"

namespace elbow {

// Says which samples the next batch holds, in this order; possibly none. nullopt ends the loader.
// Called on the loader's thread, once a batch, and not again after nullopt.
using NextIndices = std::function<std::optional<std::vector<std::int64_t>>()>;

// Fills `depth` batches in turn, reusing their memory. One thread may use the loader.
class Loader {
 public:
  // Takes copies of the data sets, which only its thread uses. `labels` may be null; one label row
  // belongs to each sample row. Throws DataError when their sizes differ.
  Loader(const DataSet& images, const DataSet* labels, NextIndices next_indices, int depth = 4);
  // Stops the thread after the read it is in.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next batch, waiting for it, or nullptr when there are no more; valid until the next call.
  // An error of the thread is thrown here in place of the batch it concerns, and at every call
  // after that.
  const Batch* next();

  // Time that next() has spent waiting, in all.
  double seconds_waited() const;
  // Batches that lie ready.
  int queued() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Fills `batch` with the samples that batch.indices names: what the loader does for each batch, for
// those who read now and then. Not finite is a row with a NaN or an infinity in values or labels.
void fill_batch(const DataSet& images, const DataSet* labels, Batch& batch);

}  // namespace elbow
