// What the loader delivers: raw values as they lie in the file, with their global indices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace elbow {

// The two types in which values are delivered: 8-bit data stays 8-bit, everything else becomes
// native float32.
enum class ValueType { kUint8, kFloat32 };

inline std::size_t value_bytes(ValueType type) { return type == ValueType::kUint8 ? 1 : 4; }

struct Batch {
  std::vector<std::int64_t> indices;  // global sample index of each row
  std::vector<std::int64_t> shape;    // of one row, axes as in the file
  ValueType type = ValueType::kUint8;
  std::vector<std::byte> values;  // [count, row elements], row after row
  std::vector<double> labels;     // [count, label width]; empty without labels
  // Rows (positions in this batch, ascending) that hold a NaN or an infinity.
  std::vector<std::int64_t> not_finite;

  std::int64_t count() const { return static_cast<std::int64_t>(indices.size()); }
};

}  // namespace elbow
