// Decoded runs of rows, the least recently used going first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <utility>
#include <vector>

namespace elbow {

// What a cache may hold. One slab is always kept, however large.
struct CacheLimits {
  std::int64_t rows = 16384;
  std::int64_t bytes = std::int64_t{512} << 20;
};

// Not thread-safe. Pointers returned are valid until the next call of add.
class SlabCache {
 public:
  explicit SlabCache(const CacheLimits& limits) : limits_(limits) {}

  // The slab's bytes, or nullptr; counts as a use.
  const std::byte* find(std::size_t part, std::int64_t slab);

  // Room for a slab that is not there, for the caller to fill at once; drop it when that fails.
  std::byte* add(std::size_t part, std::int64_t slab, std::int64_t rows, std::int64_t bytes);
  void drop_newest();

  std::int64_t rows() const { return rows_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  using Key = std::pair<std::size_t, std::int64_t>;
  struct Slab {
    Key key;
    std::int64_t rows;
    std::vector<std::byte> values;
  };

  CacheLimits limits_;
  std::int64_t rows_ = 0;
  std::int64_t bytes_ = 0;
  std::list<Slab> slabs_;  // most recently used first
  std::map<Key, std::list<Slab>::iterator> places_;
};

}  // namespace elbow
