#include "data/slab_cache.h"

namespace elbow {

const std::byte* SlabCache::find(std::size_t part, std::int64_t slab) {
  const auto place = places_.find({part, slab});
  if (place == places_.end()) return nullptr;
  slabs_.splice(slabs_.begin(), slabs_, place->second);
  return slabs_.front().values.data();
}

std::byte* SlabCache::add(std::size_t part, std::int64_t slab, std::int64_t rows,
                          std::int64_t bytes) {
  // A buffer that falls out is used again: slabs are mostly of one size.
  std::vector<std::byte> values;
  while (!slabs_.empty() && (rows_ + rows > limits_.rows || bytes_ + bytes > limits_.bytes)) {
    Slab& oldest = slabs_.back();
    rows_ -= oldest.rows;
    bytes_ -= static_cast<std::int64_t>(oldest.values.size());
    values = std::move(oldest.values);
    places_.erase(oldest.key);
    slabs_.pop_back();
  }
  values.resize(static_cast<std::size_t>(bytes));
  slabs_.push_front({{part, slab}, rows, std::move(values)});
  places_[{part, slab}] = slabs_.begin();
  rows_ += rows;
  bytes_ += bytes;
  return slabs_.front().values.data();
}

void SlabCache::drop_newest() {
  rows_ -= slabs_.front().rows;
  bytes_ -= static_cast<std::int64_t>(slabs_.front().values.size());
  places_.erase(slabs_.front().key);
  slabs_.pop_front();
}

}  // namespace elbow
