#include "data/part.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <set>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "data/deflate_ratio.h"

namespace elbow {
namespace {

constexpr std::int64_t kSlabBytes = 1 << 20;  // of unchunked data
constexpr std::int64_t kLargestSlab = std::int64_t{4} << 30;
constexpr unsigned kFilterValues = 20;
constexpr std::int64_t kExaminedSlab = 256 << 20;  // bytes: a larger one is read when it is needed
constexpr std::size_t kExaminedAtOnce = 256;       // parts

void stamp(PartInfo& info) {
  struct stat status {};
  if (::stat(info.file.c_str(), &status) != 0) {
    throw DataError(fmt::format("cannot open {}: {}", info.file, errno_text(errno)));
  }
  info.file_bytes = status.st_size;
  info.file_time_ns = status.st_mtim.tv_sec * std::int64_t{1000000000} + status.st_mtim.tv_nsec;
}

std::int64_t multiply(std::int64_t a, std::int64_t b, const PartInfo& info) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    throw DataError(
        fmt::format("{} has the impossible shape {}", info.name(), shape_text(info.shape())));
  }
  return product;
}

void describe_shape(PartInfo& info, const hdf5::Handle& data_set) {
  const std::vector<std::int64_t> shape = hdf5::shape_of(data_set, info.name());
  if (shape.empty()) {
    throw DataError(info.name() + " is a single number; a data set has rows along its first axis");
  }
  info.rows = shape.front();
  info.row_shape.assign(shape.begin() + 1, shape.end());
  std::int64_t bytes = static_cast<std::int64_t>(info.stored.bytes);
  for (const std::int64_t extent : shape) {
    if (extent == 0) {
      throw DataError(fmt::format("{} is empty: its shape is {}", info.name(), shape_text(shape)));
    }
    bytes = multiply(bytes, extent, info);
  }
}

std::string filter_text(H5Z_filter_t filter, const std::vector<unsigned>& values,
                        const std::string& name) {
  switch (filter) {
    case H5Z_FILTER_DEFLATE:
      return values.empty() ? "gzip" : fmt::format("gzip {}", values.front());
    case H5Z_FILTER_SHUFFLE:
      return "shuffle";
    case H5Z_FILTER_FLETCHER32:
      return "fletcher32";
    case H5Z_FILTER_SZIP:
      return "szip";
    case H5Z_FILTER_NBIT:
      return "nbit";
    case H5Z_FILTER_SCALEOFFSET:
      return "scaleoffset";
    default:
      return name.empty() ? fmt::format("filter {}", filter) : name;
  }
}

void describe_filters(PartInfo& info, hid_t creation) {
  const std::string where = info.name();
  const int count = hdf5::check(H5Pget_nfilters(creation), "read the filters of", where);
  std::set<H5Z_filter_t> seen;
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    std::size_t value_count = kFilterValues;
    std::array<unsigned, kFilterValues> values{};
    std::array<char, 64> name{};
    const H5Z_filter_t filter =
        hdf5::check(H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &value_count,
                                   values.data(), name.size(), name.data(), nullptr),
                    "read the filters of", where);
    name.back() = '\0';
    value_count = std::min<std::size_t>(value_count, kFilterValues);
    info.filters.push_back(
        filter_text(filter, {values.begin(), values.begin() + value_count}, name.data()));
    // A few bytes that unpack to gigabytes, twice over.
    if (!seen.insert(filter).second) {
      throw DataError(fmt::format("{} is packed with {} more than once, which is not read", where,
                                  info.filters.back()));
    }
    if (H5Zfilter_avail(filter) <= 0) {
      throw DataError(fmt::format(
          "{} is compressed with {} (filter {}), which this program cannot read; rewrite it where "
          "that filter is installed: h5repack -f {}:GZIP=4 {} NEW.h5",
          where, info.filters.back(), filter, info.path, info.file));
    }
  }
}

// Before anything of that size is allocated or read. What was never written takes no room in a
// file, whatever its shape says, and reads as fill values.
void check_extent(const PartInfo& info, const std::string& what,
                  std::span<const std::int64_t> shape, std::int64_t bytes,
                  std::int64_t stored_bytes) {
  // Other filters pack zeros better still, but nothing that is trained on.
  if (bytes / kBestDeflateRatio <= stored_bytes) return;
  throw DataError(fmt::format(
      "{} has {} {}, that is {} of values, more than a file of {} can hold however well it is "
      "packed: its rows were never written, or the file is damaged",
      info.name(), what, shape_text(shape), human_bytes(static_cast<double>(bytes)),
      human_bytes(static_cast<double>(stored_bytes))));
}

void describe_chunks(PartInfo& info, hid_t creation) {
  info.layout = "chunked";
  std::vector<hsize_t> chunk(info.row_shape.size() + 1);
  hdf5::check(H5Pget_chunk(creation, static_cast<int>(chunk.size()), chunk.data()),
              "read the chunks of", info.name());
  info.chunk.assign(chunk.begin(), chunk.end());
  std::int64_t chunk_bytes = static_cast<std::int64_t>(info.stored.bytes);
  for (const std::int64_t extent : info.chunk) chunk_bytes = multiply(chunk_bytes, extent, info);
  // The library unpacks chunks whole.
  check_extent(info, "chunks of", info.chunk, chunk_bytes, info.file_bytes);
  info.slab_rows = std::min(info.chunk.front(), info.rows);
  const std::int64_t slab = multiply(info.slab_rows, info.row_bytes(), info);
  if (slab > kLargestSlab) {
    throw DataError(fmt::format(
        "{}: a row of its chunks {} holds {}, which would have to be kept in memory; rewrite it: "
        "h5repack -l {}:CONTI -f {}:NONE {} NEW.h5",
        info.name(), shape_text(info.chunk), human_bytes(static_cast<double>(slab)), info.path,
        info.path, info.file));
  }
}

void describe_contiguous(PartInfo& info, const hdf5::Handle& data_set) {
  info.layout = "contiguous";
  // The library knows no address before the first value is written.
  const haddr_t address = H5Dget_offset(data_set.get());
  if (address == HADDR_UNDEF || info.stored.decoded_by_library()) {
    H5Eclear2(H5E_DEFAULT);
    return;
  }
  const auto bytes = static_cast<haddr_t>(info.rows * info.row_bytes());
  const auto file_bytes = static_cast<haddr_t>(info.file_bytes);
  if (address > file_bytes || bytes > file_bytes - address) {
    throw DataError(fmt::format(
        "{}: the file is truncated: {} bytes of values begin at byte {}, the file ends at byte {}",
        info.name(), bytes, address, file_bytes));
  }
  info.offset = static_cast<std::int64_t>(address);
}

// The library copies compact values out of a buffer as large as the file says, however many the
// shape asks for.
void describe_compact(PartInfo& info, const hdf5::Handle& data_set) {
  info.layout = "compact";
  const auto bytes = static_cast<hsize_t>(info.rows * info.row_bytes());
  const hsize_t stored = H5Dget_storage_size(data_set.get());
  if (stored < bytes) {
    throw DataError(
        fmt::format("{} has the shape {}, that is {} bytes of values, and holds {}: the "
                    "file is damaged; make it again",
                    info.name(), shape_text(info.shape()), bytes, stored));
  }
}

std::string virtual_source(const PartInfo& info, hid_t creation, std::size_t mapping) {
  const ssize_t length = hdf5::check(H5Pget_virtual_filename(creation, mapping, nullptr, 0),
                                     "read the sources of", info.name());
  std::string source(static_cast<std::size_t>(length) + 1, '\0');
  hdf5::check(H5Pget_virtual_filename(creation, mapping, source.data(), source.size()),
              "read the sources of", info.name());
  source.pop_back();
  return source;
}

// Bytes of the files that the values come from. The library gives fill values for what it does not
// find, and no sample may be made of those.
std::int64_t check_virtual_sources(const PartInfo& info, hid_t creation) {
  std::size_t count = 0;
  hdf5::check(H5Pget_virtual_count(creation, &count), "read the sources of", info.name());
  const std::filesystem::path folder = std::filesystem::path(info.file).parent_path();
  std::set<std::string> sources;
  std::int64_t bytes = info.file_bytes;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string source = virtual_source(info, creation, i);
    if (source == "." || !sources.insert(source).second) continue;
    std::error_code error;
    const bool as_named = std::filesystem::exists(source, error);
    const auto size = std::filesystem::file_size(
        as_named ? std::filesystem::path(source) : folder / source, error);
    if (!error) {
      bytes += static_cast<std::int64_t>(size);
    } else if (source.find('%') == std::string::npos) {
      throw DataError(
          fmt::format("{} takes values from {}, which does not exist", info.name(), source));
    } else {
      bytes += kLargestSlab;  // of as many files as there are
    }
  }
  return bytes;
}

void describe_storage(PartInfo& info, const hdf5::Handle& data_set) {
  const std::string where = info.name();
  const hdf5::Handle creation(
      hdf5::check(H5Dget_create_plist(data_set.get()), "read the layout of", where), H5Pclose);
  if (hdf5::check(H5Pget_external_count(creation.get()), "read the layout of", where) > 0) {
    throw DataError(fmt::format(
        "{0} keeps its values in other files, which are not followed; copy them into one: "
        "HDF5_EXTFILE_PREFIX='${{ORIGIN}}' h5repack -l {1}:CONTI {2} NEW.h5",
        where, info.path, info.file));
  }
  describe_filters(info, creation.get());
  info.slab_rows = std::clamp<std::int64_t>(kSlabBytes / info.row_bytes(), 1, info.rows);
  std::int64_t stored_bytes = info.file_bytes;
  switch (hdf5::check(H5Pget_layout(creation.get()), "read the layout of", where)) {
    case H5D_CHUNKED:
      describe_chunks(info, creation.get());
      break;
    case H5D_CONTIGUOUS:
      describe_contiguous(info, data_set);
      break;
    case H5D_COMPACT:
      describe_compact(info, data_set);
      break;
    default:
      info.layout = "virtual";
      stored_bytes = check_virtual_sources(info, creation.get());
      break;
  }
  check_extent(info, "the shape", info.shape(), info.rows * info.row_bytes(), stored_bytes);
}

}  // namespace

std::int64_t PartInfo::row_elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : row_shape) product *= extent;
  return product;
}

std::int64_t PartInfo::row_bytes() const {
  return row_elements() * static_cast<std::int64_t>(stored.bytes);
}

std::vector<std::int64_t> PartInfo::shape() const {
  std::vector<std::int64_t> shape{rows};
  shape.insert(shape.end(), row_shape.begin(), row_shape.end());
  return shape;
}

PartInfo describe_part(const std::string& file, const std::string& path) {
  const auto held = hdf5::lock();
  PartInfo info;
  info.file = file;
  info.path = path;
  const hdf5::Handle opened = hdf5::open_file(file);
  stamp(info);
  const hdf5::Handle data_set = hdf5::open_data_set(opened, file, path);
  const hdf5::Handle type(hdf5::check(H5Dget_type(data_set.get()), "read the type", info.name()),
                          H5Tclose);
  info.stored = stored_type_of(type.get(), info.name());
  describe_shape(info, data_set);
  describe_storage(info, data_set);
  return info;
}

namespace {

void examine(const std::string& where, std::span<const PartName> parts) {
  hdf5::rehearse(where, [parts] {
    std::vector<std::byte> row;
    for (const PartName& part : parts) {
      const PartInfo info = describe_part(part.file, part.path);
      if (info.slab_rows * info.row_bytes() > kExaminedSlab) continue;
      row.resize(static_cast<std::size_t>(info.row_bytes()));
      PartReader(info).read_raw(0, 1, row.data());
    }
  });
}

}  // namespace

void examine_parts(std::span<const PartName> parts) {
  for (std::size_t first = 0; first < parts.size(); first += kExaminedAtOnce) {
    const auto some = parts.subspan(first, std::min(kExaminedAtOnce, parts.size() - first));
    try {
      examine(hdf5::data_set_name(some[0].file, some[0].path), some);
    } catch (const DataError&) {
      if (some.size() == 1) throw;
      // Which one a dead child was at, only another child can say.
      for (std::size_t i = 0; i < some.size(); ++i) {
        examine(hdf5::data_set_name(some[i].file, some[i].path), some.subspan(i, 1));
      }
      throw;
    }
  }
}

PartReader::PartReader(const PartInfo& info) : info_(info) {
  PartInfo now;
  now.file = info_.file;
  stamp(now);
  if (now.file_bytes != info_.file_bytes || now.file_time_ns != info_.file_time_ns) {
    throw DataError(fmt::format("{} has changed since it was opened; start again", info_.file));
  }
  if (info_.offset) {
    direct_ = Descriptor(::open(info_.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!direct_.valid()) {
      throw DataError(fmt::format("cannot open {}: {}", info_.file, errno_text(errno)));
    }
    return;
  }
  const auto held = hdf5::lock();
  const std::string where = info_.name();
  opened_ = hdf5::open_file(info_.file);
  data_set_ = hdf5::open_data_set(opened_, info_.file, info_.path);
  file_space_ = {hdf5::check(H5Dget_space(data_set_.get()), "read the shape", where), H5Sclose};
  // The file's own type means no conversion by the library, whose conversions are slow.
  memory_type_ = {hdf5::check(info_.stored.decoded_by_library() ? H5Tcopy(H5T_NATIVE_DOUBLE)
                                                                : H5Dget_type(data_set_.get()),
                              "read the type", where),
                  H5Tclose};
}

void PartReader::read_raw(std::int64_t first, std::int64_t count, std::byte* out) {
  if (direct_.valid()) {
    read_around_library(first, count, out);
  } else {
    read_through_library(first, count, out);
  }
}

void PartReader::read_around_library(std::int64_t first, std::int64_t count, std::byte* out) {
  std::int64_t from = *info_.offset + first * info_.row_bytes();
  std::int64_t left = count * info_.row_bytes();
  while (left > 0) {
    const ssize_t got = ::pread(direct_.get(), out, static_cast<std::size_t>(left), from);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw DataError(fmt::format("cannot read rows {} to {} of {}: {}", first, first + count - 1,
                                  info_.name(), errno_text(errno)));
    }
    if (got == 0) {
      throw DataError(fmt::format("cannot read rows {} to {} of {}: the file is truncated", first,
                                  first + count - 1, info_.name()));
    }
    out += got;
    from += got;
    left -= got;
  }
}

void PartReader::read_through_library(std::int64_t first, std::int64_t count, std::byte* out) {
  const auto held = hdf5::lock();
  const std::string where = info_.name();
  const std::vector<std::int64_t> shape = info_.shape();
  std::vector<hsize_t> start(shape.size(), 0);
  std::vector<hsize_t> extent(shape.begin(), shape.end());
  start.front() = static_cast<hsize_t>(first);
  extent.front() = static_cast<hsize_t>(count);
  const hdf5::Handle memory_space(
      hdf5::check(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
                  "make room for", where),
      H5Sclose);
  hdf5::check(H5Sselect_hyperslab(file_space_.get(), H5S_SELECT_SET, start.data(), nullptr,
                                  extent.data(), nullptr),
              "select rows", where);
  if (H5Dread(data_set_.get(), memory_type_.get(), memory_space.get(), file_space_.get(),
              H5P_DEFAULT, out) < 0) {
    hdf5::fail(fmt::format("read rows {} to {}", first, first + count - 1), where);
  }
}

}  // namespace elbow
