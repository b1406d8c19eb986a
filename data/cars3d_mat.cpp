#include "data/cars3d_mat.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <libdeflate.h>
#include <matio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/text.h"
#include "data/cars3d.h"

namespace elbow {
namespace {

constexpr std::size_t kHeaderBytes = 128;
constexpr std::size_t kTagBytes = 8;
constexpr std::uint32_t kMatrix = 14;
constexpr std::uint32_t kCompressed = 15;
constexpr std::size_t kLargestVariable = std::size_t{128} << 20;
constexpr std::int64_t kSmallestSide = 8;
constexpr std::int64_t kLargestSide = 512;

[[noreturn]] void damaged(const std::string& name, std::string_view what) {
  throw DataError(fmt::format("{} is damaged: {}", name, what));
}

// --- the file as a whole, which matio would read as far as it needs -----------------------------

std::uint32_t number(std::span<const std::byte> bytes, std::size_t at, bool big_endian) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + (big_endian ? i : 3 - i)]);
  }
  return value;
}

// Whether numbers are big-endian.
bool check_header(std::span<const std::byte> file, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.starts_with("MATLAB 7.3") || text.starts_with("\x89HDF")) {
    throw DataError(name + " is a MATLAB 7.3 file; save it as version 7 or older: save -v7");
  }
  if (file.size() < kHeaderBytes || !text.starts_with("MATLAB 5.0")) {
    throw DataError(name + " is not a MATLAB 5 file: it does not begin with 'MATLAB 5.0'");
  }
  const std::string_view mark = text.substr(124, 4);
  if (mark != std::string_view("\0\1IM", 4) && mark != std::string_view("\1\0MI", 4)) {
    damaged(name, "version and byte order in its header");
  }
  return mark.ends_with("MI");
}

// Unpacks an element, which verifies its checksum. Returns how many bytes it holds.
std::size_t unpacked_bytes(std::span<const std::byte> packed, const std::string& name) {
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> unpacker(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  std::vector<std::byte> room(std::size_t{8} << 20);
  for (;;) {
    std::size_t got = 0;
    switch (libdeflate_zlib_decompress(unpacker.get(), packed.data(), packed.size(), room.data(),
                                       room.size(), &got)) {
      case LIBDEFLATE_SUCCESS:
        return got;
      case LIBDEFLATE_INSUFFICIENT_SPACE:
        if (room.size() >= kLargestVariable) {
          damaged(name, fmt::format("a variable of more than {}",
                                    human_bytes(static_cast<double>(kLargestVariable))));
        }
        room = std::vector<std::byte>(2 * room.size());
        break;
      default:
        damaged(name, "its compressed data");
    }
  }
}

// Follows the elements of the file to its end. Returns the size of the largest.
std::size_t check_elements(std::span<const std::byte> file, const std::string& name) {
  const bool big_endian = check_header(file, name);
  std::size_t largest = 0;
  for (std::size_t at = kHeaderBytes; at < file.size();) {
    if (file.size() - at < kTagBytes) damaged(name, "it is truncated");
    const std::uint32_t type = number(file, at, big_endian);
    const std::size_t bytes = number(file, at + 4, big_endian);
    at += kTagBytes;
    if (type != kMatrix && type != kCompressed) {
      damaged(name, fmt::format("an element of type {} at byte {}", type, at - kTagBytes));
    }
    if (bytes > file.size() - at) {
      damaged(name, fmt::format("it is truncated: an element ends at byte {}, the file at byte {}",
                                at + bytes, file.size()));
    }
    largest = std::max(largest,
                       type == kCompressed ? unpacked_bytes(file.subspan(at, bytes), name) : bytes);
    at += bytes;
  }
  return largest;
}

// --- its variable -------------------------------------------------------------------------------

// A file in memory alone: matio reads by name only.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes)
      : file_(::memfd_create("cars3d", MFD_CLOEXEC)) {
    while (file_.valid() && !bytes.empty()) {
      const ssize_t got = ::write(file_.get(), bytes.data(), bytes.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
    if (!bytes.empty()) {
      throw DataError("no memory for a file of Cars3D: " + errno_text(errno));
    }
  }
  std::string path() const { return fmt::format("/proc/self/fd/{}", file_.get()); }

 private:
  Descriptor file_;
};

std::string variables(mat_t* file) {
  std::size_t count = 0;
  char* const* const found = Mat_GetDir(file, &count);
  const std::vector<std::string> names(found, found + (found == nullptr ? 0 : count));
  return names.empty() ? "no variable at all" : join(names, ", ");
}

void check_variable(const matvar_t& variable, const std::string& name) {
  if (variable.class_type != MAT_C_UINT8 || variable.isComplex != 0 || variable.isLogical != 0) {
    throw DataError(name + ": the variable im is not of type uint8");
  }
  const std::vector<std::int64_t> shape(variable.dims, variable.dims + variable.rank);
  const bool right = shape.size() == 5 && shape[0] == shape[1] && shape[0] >= kSmallestSide &&
                     shape[0] <= kLargestSide && shape[2] == 3 && shape[3] == kCars3dAzimuths &&
                     shape[4] == kCars3dElevations;
  if (!right) {
    throw DataError(fmt::format(
        "{}: the variable im has the axes {}; those of Cars3D are height, width "
        "(equal, from {} to {}), 3 channels, {} azimuths, {} elevations",
        name, shape_text(shape), kSmallestSide, kLargestSide, kCars3dAzimuths, kCars3dElevations));
  }
}

}  // namespace

CarViews read_car_views(std::span<const std::byte> file, const std::string& name) {
  const std::size_t largest = check_elements(file, name);
  const MemoryFile copy(file);
  const std::unique_ptr<mat_t, decltype(&Mat_Close)> opened(
      Mat_Open(copy.path().c_str(), MAT_ACC_RDONLY), Mat_Close);
  if (!opened) damaged(name, "matio cannot open it");
  const std::unique_ptr<matvar_t, decltype(&Mat_VarFree)> variable(
      Mat_VarReadInfo(opened.get(), "im"), Mat_VarFree);
  if (!variable) {
    throw DataError(
        fmt::format("{} has no variable im; it holds {}", name, variables(opened.get())));
  }
  check_variable(*variable, name);
  const std::size_t side = variable->dims[0];
  const std::size_t count = side * side * 3 * kCars3dViews;
  if (largest < count) damaged(name, "it is too short for the axes of its variable im");
  if (Mat_VarReadDataAll(opened.get(), variable.get()) != 0 || variable->data == nullptr ||
      variable->nbytes != count) {
    damaged(name, "the values of its variable im");
  }
  const auto* const values = static_cast<const std::uint8_t*>(variable->data);
  return {static_cast<std::int64_t>(side), {values, values + count}};
}

}  // namespace elbow
