#include "data/idx.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <libdeflate.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/text.h"
#include "data/deflate_ratio.h"

namespace elbow {
namespace {

constexpr std::size_t kMagicBytes = 4;
constexpr std::size_t kLongestHeader = kMagicBytes + 4 * 255;
constexpr unsigned kUnsignedByte = 0x08;
constexpr std::size_t kLargestCompressed = std::size_t{1} << 32;
// libdeflate leaves what it has unpacked in a buffer that turns out too small; a block that does
// not shrink (64 KiB at most) is all or nothing, so that this much holds any header.
constexpr std::size_t kPeekBytes = 128 << 10;

struct Header {
  std::vector<std::int64_t> shape;
  std::int64_t bytes = 0;   // of the header
  std::int64_t values = 0;  // behind it
};

unsigned byte_at(std::span<const std::byte> bytes, std::size_t i) {
  return std::to_integer<unsigned>(bytes[i]);
}

Header parse_header(const std::string& file, std::span<const std::byte> bytes) {
  if (bytes.size() < kMagicBytes || byte_at(bytes, 0) != 0 || byte_at(bytes, 1) != 0) {
    throw DataError(
        fmt::format("{} is not an IDX file: it does not begin with two zero bytes", file));
  }
  const unsigned type = byte_at(bytes, 2);
  const std::size_t rank = byte_at(bytes, 3);
  if (type != kUnsignedByte) {
    throw DataError(
        fmt::format("{}: IDX values of type 0x{:02x}; only unsigned bytes (0x08) are "
                    "imported",
                    file, type));
  }
  Header header;
  header.bytes = static_cast<std::int64_t>(kMagicBytes + 4 * rank);
  if (rank == 0) throw DataError(fmt::format("{} is not an IDX file: it has no axes", file));
  if (std::ssize(bytes) < header.bytes) {
    throw DataError(fmt::format("{} is too short: it ends within its header", file));
  }
  header.values = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    std::int64_t extent = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      extent = extent << 8 | byte_at(bytes, kMagicBytes + 4 * axis + i);
    }
    header.shape.push_back(extent);
    if (extent == 0 || __builtin_mul_overflow(header.values, extent, &header.values)) {
      throw DataError(
          fmt::format("{}: impossible shape {} in its header", file, shape_text(header.shape)));
    }
  }
  return header;
}

[[noreturn]] void wrong_length(const std::string& file, const Header& header, const char* what) {
  throw DataError(fmt::format("{} is too {}: its header says {}, that is {} bytes in all", file,
                              what, shape_text(header.shape), header.bytes + header.values));
}

[[noreturn]] void damaged(const std::string& file) {
  throw DataError(fmt::format("{}: damaged or truncated gzip data", file));
}

}  // namespace

IdxFile::IdxFile(const std::string& file) : file_(file) {
  plain_ = errors_as<DataError>([&] { return InputFile(file); });
  std::array<std::byte, 2> magic{};
  if (plain_->size() >= magic.size()) read_at(0, magic);
  if (magic[0] == std::byte{0x1F} && magic[1] == std::byte{0x8B}) {
    plain_.reset();
    open_compressed();
  } else {
    open_plain();
  }
}

void IdxFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  errors_as<DataError>([&] { plain_->read(offset, out); });
}

void IdxFile::open_plain() {
  const auto size = static_cast<std::int64_t>(plain_->size());
  std::vector<std::byte> head(std::min<std::size_t>(plain_->size(), kLongestHeader));
  read_at(0, head);
  const Header header = parse_header(file_, head);
  if (size < header.values || size - header.values < header.bytes) {
    wrong_length(file_, header, "short");
  }
  if (size - header.values > header.bytes) wrong_length(file_, header, "long");
  position_ = static_cast<std::uint64_t>(header.bytes);
  shape_ = header.shape;
}

void IdxFile::open_compressed() {
  const std::string packed =
      errors_as<DataError>([&] { return read_file(file_, kLargestCompressed); });
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> inflate(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  std::vector<std::byte> head(kPeekBytes);
  std::size_t used = 0;
  std::size_t got = head.size();
  auto unpack = [&](std::vector<std::byte>& out) {
    return libdeflate_gzip_decompress_ex(inflate.get(), packed.data(), packed.size(), out.data(),
                                         out.size(), &used, &got);
  };
  libdeflate_result result = unpack(head);
  if (result != LIBDEFLATE_SUCCESS && result != LIBDEFLATE_INSUFFICIENT_SPACE) damaged(file_);
  if (result == LIBDEFLATE_SUCCESS) head.resize(got);
  const Header header = parse_header(file_, head);
  // Before that much memory is asked for.
  if (header.values / kBestDeflateRatio > std::ssize(packed)) wrong_length(file_, header, "short");
  unpacked_.resize(static_cast<std::size_t>(header.bytes + header.values));
  result = unpack(unpacked_);
  if (result == LIBDEFLATE_INSUFFICIENT_SPACE) wrong_length(file_, header, "long");
  if (result != LIBDEFLATE_SUCCESS) damaged(file_);
  if (got < unpacked_.size()) wrong_length(file_, header, "short");
  if (used < packed.size()) {
    throw DataError(fmt::format("{}: {} bytes behind the gzip data", file_, packed.size() - used));
  }
  shape_ = parse_header(file_, unpacked_).shape;
  position_ = static_cast<std::uint64_t>(header.bytes);
}

std::int64_t IdxFile::row_bytes() const {
  std::int64_t bytes = 1;
  for (std::size_t axis = 1; axis < shape_.size(); ++axis) bytes *= shape_[axis];
  return bytes;
}

void IdxFile::read(std::span<std::byte> out) {
  if (plain_) {
    read_at(position_, out);
  } else if (out.size() > unpacked_.size() - position_) {
    throw DataError(fmt::format("{} has no more values", file_));
  } else {
    std::memcpy(out.data(), unpacked_.data() + position_, out.size());
  }
  position_ += out.size();
}

}  // namespace elbow
