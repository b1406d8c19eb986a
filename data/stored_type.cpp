#include "data/stored_type.h"

#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include <fmt/format.h>

#include "base/error.h"
#include "data/hdf5.h"

namespace elbow {
namespace {

using Kind = StoredType::Kind;

// IEEE 754 half precision, which HDF5 1.10 has no name for.
hdf5::Handle half_type(hid_t float32, std::string_view where) {
  hdf5::Handle type(hdf5::check(H5Tcopy(float32), "describe float16 for", where), H5Tclose);
  hdf5::check(H5Tset_fields(type.get(), 15, 10, 5, 0, 10), "describe float16 for", where);
  hdf5::check(H5Tset_precision(type.get(), 16), "describe float16 for", where);
  hdf5::check(H5Tset_ebias(type.get(), 15), "describe float16 for", where);
  hdf5::check(H5Tset_size(type.get(), 2), "describe float16 for", where);
  return type;
}

Kind float_kind(hid_t type, bool little, std::string_view where) {
  const hid_t single = little ? H5T_IEEE_F32LE : H5T_IEEE_F32BE;
  if (H5Tequal(type, single) > 0) return Kind::kFloat32;
  if (H5Tequal(type, little ? H5T_IEEE_F64LE : H5T_IEEE_F64BE) > 0) return Kind::kFloat64;
  if (H5Tequal(type, half_type(single, where).get()) > 0) return Kind::kFloat16;
  return Kind::kOther;
}

Kind integer_kind(hid_t type) {
  const std::size_t bytes = H5Tget_size(type);
  if (H5Tget_precision(type) != 8 * bytes || H5Tget_offset(type) != 0) return Kind::kOther;
  const bool has_sign = H5Tget_sign(type) != H5T_SGN_NONE;
  switch (bytes) {
    case 1:
      return has_sign ? Kind::kInt8 : Kind::kUint8;
    case 2:
      return has_sign ? Kind::kInt16 : Kind::kUint16;
    case 4:
      return has_sign ? Kind::kInt32 : Kind::kUint32;
    case 8:
      return has_sign ? Kind::kInt64 : Kind::kUint64;
    default:
      return Kind::kOther;
  }
}

const char* class_name(H5T_class_t kind) {
  switch (kind) {
    case H5T_STRING:
      return "text";
    case H5T_COMPOUND:
      return "compound records";
    case H5T_REFERENCE:
      return "references";
    case H5T_VLEN:
      return "sequences of varying length";
    case H5T_ARRAY:
      return "small arrays as values";
    case H5T_OPAQUE:
      return "opaque bytes";
    case H5T_BITFIELD:
      return "bit fields";
    case H5T_TIME:
      return "times";
    default:
      return "values of an unknown kind";
  }
}

std::string describe(Kind kind, bool swapped, std::size_t stored_bytes, bool is_integer) {
  static constexpr std::array kNames = {"uint8",  "int8",  "uint16",  "int16",   "uint32", "int32",
                                        "uint64", "int64", "float16", "float32", "float64"};
  if (kind == Kind::kOther) {
    return fmt::format("{}-bit {}", 8 * stored_bytes, is_integer ? "packed integer" : "float");
  }
  std::string text = kNames[static_cast<std::size_t>(kind)];
  if (swapped) {
    text += std::endian::native == std::endian::little ? " big-endian" : " little-endian";
  }
  return text;
}

template <typename Stored, bool kSwapped>
Stored load(const std::byte* from) {
  std::array<std::byte, sizeof(Stored)> bytes;
  for (std::size_t i = 0; i < sizeof(Stored); ++i) {
    bytes[i] = from[kSwapped ? sizeof(Stored) - 1 - i : i];
  }
  return std::bit_cast<Stored>(bytes);
}

// No arithmetic on denormal floats: it would give 0 on a thread that flushes them.
float from_half(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1FU;
  const std::uint32_t fraction = half & 0x3FFU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 31 ? 255 : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

template <typename Stored, bool kSwapped, typename Out>
void decode_run(const std::byte* raw, std::int64_t count, Out* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<Out>(load<Stored, kSwapped>(raw + i * sizeof(Stored)));
  }
}

template <bool kSwapped, typename Out>
void decode_halves(const std::byte* raw, std::int64_t count, Out* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<Out>(from_half(load<std::uint16_t, kSwapped>(raw + 2 * i)));
  }
}

template <bool kSwapped, typename Out>
void decode_kind(Kind kind, const std::byte* raw, std::int64_t count, Out* out) {
  switch (kind) {
    case Kind::kUint8:
      return decode_run<std::uint8_t, kSwapped>(raw, count, out);
    case Kind::kInt8:
      return decode_run<std::int8_t, kSwapped>(raw, count, out);
    case Kind::kUint16:
      return decode_run<std::uint16_t, kSwapped>(raw, count, out);
    case Kind::kInt16:
      return decode_run<std::int16_t, kSwapped>(raw, count, out);
    case Kind::kUint32:
      return decode_run<std::uint32_t, kSwapped>(raw, count, out);
    case Kind::kInt32:
      return decode_run<std::int32_t, kSwapped>(raw, count, out);
    case Kind::kUint64:
      return decode_run<std::uint64_t, kSwapped>(raw, count, out);
    case Kind::kInt64:
      return decode_run<std::int64_t, kSwapped>(raw, count, out);
    case Kind::kFloat16:
      return decode_halves<kSwapped>(raw, count, out);
    case Kind::kFloat32:
      return decode_run<float, kSwapped>(raw, count, out);
    case Kind::kFloat64:
      return decode_run<double, kSwapped>(raw, count, out);
    case Kind::kOther:
      return decode_run<double, false>(raw, count, out);
  }
}

}  // namespace

StoredType stored_type_of(hid_t type, std::string_view where) {
  const auto held = hdf5::lock();
  const H5T_class_t kind = H5Tget_class(type);
  if (kind == H5T_ENUM) {
    const hdf5::Handle integers(hdf5::check(H5Tget_super(type), "read the type", where), H5Tclose);
    return stored_type_of(integers.get(), where);
  }
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) {
    throw DataError(fmt::format("{} holds {}, not numbers", where, class_name(kind)));
  }
  // The library converts packed integers through 64 bits, and does not look whether they fit.
  const std::size_t bits = 8 * H5Tget_size(type);
  const std::size_t used = H5Tget_precision(type) + static_cast<std::size_t>(H5Tget_offset(type));
  if (kind == H5T_INTEGER && (bits > 64 || used > bits)) {
    throw DataError(
        fmt::format("{} holds integers of {} bits in {}; at most 64 are read", where, used, bits));
  }
  const H5T_order_t order = H5Tget_order(type);
  const bool little = order == H5T_ORDER_LE;
  StoredType stored;
  if (!little && order != H5T_ORDER_BE) {
    stored.kind = Kind::kOther;
  } else {
    stored.kind = kind == H5T_FLOAT ? float_kind(type, little, where) : integer_kind(type);
  }
  const std::size_t bytes = H5Tget_size(type);
  stored.bytes = stored.decoded_by_library() ? sizeof(double) : bytes;
  stored.swapped = !stored.decoded_by_library() && bytes > 1 &&
                   little != (std::endian::native == std::endian::little);
  stored.text = describe(stored.kind, stored.swapped, bytes, kind == H5T_INTEGER);
  return stored;
}

template <typename Out>
void decode_values(const StoredType& type, const std::byte* raw, std::int64_t count, Out* out) {
  if constexpr (std::is_same_v<Out, std::uint8_t>) {
    if (type.kind != Kind::kUint8) throw DataError("values of " + type.text + " are no bytes");
    std::memcpy(out, raw, static_cast<std::size_t>(count));
  } else if (type.swapped) {
    decode_kind<true>(type.kind, raw, count, out);
  } else {
    decode_kind<false>(type.kind, raw, count, out);
  }
}

template void decode_values(const StoredType&, const std::byte*, std::int64_t, std::uint8_t*);
template void decode_values(const StoredType&, const std::byte*, std::int64_t, float*);
template void decode_values(const StoredType&, const std::byte*, std::int64_t, double*);

}  // namespace elbow
