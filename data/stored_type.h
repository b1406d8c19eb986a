// How numbers lie in a file, and how they become those that are delivered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <hdf5.h>

#include "data/batch.h"

namespace elbow {

// Any integer or floating-point type of HDF5. Those with a name here are decoded by decode_values;
// the library converts the rest (packed integers, bfloat16, VAX ...) to double when it reads them.
struct StoredType {
  enum class Kind {
    kUint8,
    kInt8,
    kUint16,
    kInt16,
    kUint32,
    kInt32,
    kUint64,
    kInt64,
    kFloat16,
    kFloat32,
    kFloat64,
    kOther
  };
  Kind kind = Kind::kUint8;
  bool swapped = false;   // the other byte order than this machine's
  std::size_t bytes = 1;  // of a value as read: 8 for kOther
  std::string text;       // "uint8", "float32 big-endian"

  bool decoded_by_library() const { return kind == Kind::kOther; }
  ValueType delivered_as() const {
    return kind == Kind::kUint8 ? ValueType::kUint8 : ValueType::kFloat32;
  }
};

// An enumeration (h5py's booleans) counts as its integers. Throws DataError for text, compounds,
// references and the like, naming `where`.
StoredType stored_type_of(hid_t type, std::string_view where);

// `count` values as read from a file become numbers of this machine. Wider types are rounded to
// the nearest float. For Out = std::uint8_t the kind must be kUint8.
template <typename Out>
void decode_values(const StoredType& type, const std::byte* raw, std::int64_t count, Out* out);

extern template void decode_values(const StoredType&, const std::byte*, std::int64_t,
                                   std::uint8_t*);
extern template void decode_values(const StoredType&, const std::byte*, std::int64_t, float*);
extern template void decode_values(const StoredType&, const std::byte*, std::int64_t, double*);

}  // namespace elbow
