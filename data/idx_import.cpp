#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "data/data_set.h"
#include "data/hdf5.h"
#include "data/idx.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBlockBytes = 8 << 20;
constexpr std::size_t kMostAxes = 4;

// A file in the making, removed unless it was published.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& final_path) : path_(temporary_name(final_path)) {}
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::int64_t block_rows(const IdxFile& source) {
  return std::clamp<std::int64_t>(kBlockBytes / source.row_bytes(), 1, source.shape().front());
}

void check_sources(const IdxImport& import, const IdxFile& images, const IdxFile* labels) {
  if (images.shape().size() < 2 || images.shape().size() > kMostAxes) {
    throw DataError(
        fmt::format("{} has the shape {}: images need one to three axes behind the "
                    "first{}",
                    images.file(), shape_text(images.shape()),
                    images.shape().size() == 1 ? "; are these the labels?" : ""));
  }
  if (labels && labels->shape().front() != images.shape().front()) {
    throw DataError(fmt::format("counts disagree: {} holds {} images, {} {} labels", images.file(),
                                images.shape().front(), labels->file(), labels->shape().front()));
  }
  if (labels && labels->shape().size() > kMostAxes) {
    throw DataError(fmt::format("{} has the shape {}: labels may have three axes behind the first",
                                labels->file(), shape_text(labels->shape())));
  }
  const bool plain = std::all_of(import.split.begin(), import.split.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
  if (import.split.empty() || !plain) {
    throw ConfigError(
        fmt::format("'{}' cannot name a split: use letters, digits, '-' and '_'", import.split));
  }
}

// The file to write into, with the group's place free.
hdf5::Handle open_output(const IdxImport& import, const fs::path& temporary) {
  const std::string where = import.output.string();
  if (!fs::exists(import.output)) {
    return {hdf5::check(H5Fcreate(temporary.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                        "create", where),
            H5Fclose};
  }
  {
    const hdf5::Handle old = hdf5::open_file(where);
    const std::string group = "/" + import.split;
    if (hdf5::check(H5Lexists(old.get(), group.c_str(), H5P_DEFAULT), "look into", where) > 0 &&
        !import.replace) {
      throw DataError(
          fmt::format("{} holds {} already; --replace replaces it, --split writes "
                      "beside it",
                      where, group));
    }
  }
  std::error_code error;
  fs::copy_file(import.output, temporary, fs::copy_options::overwrite_existing, error);
  if (error) throw DataError(fmt::format("cannot copy {}: {}", where, error.message()));
  hdf5::Handle file(
      hdf5::check(H5Fopen(temporary.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), "open for writing", where),
      H5Fclose);
  if (hdf5::check(H5Lexists(file.get(), import.split.c_str(), H5P_DEFAULT), "look into", where) >
      0) {
    hdf5::check(H5Ldelete(file.get(), import.split.c_str(), H5P_DEFAULT), "replace a group of",
                where);
  }
  return file;
}

// Copies all rows; returns the hash of what was written.
std::string write_values(IdxFile& source, const hdf5::Handle& group, const std::string& name,
                         const std::string& where) {
  const std::vector<hsize_t> extent(source.shape().begin(), source.shape().end());
  const int rank = static_cast<int>(extent.size());
  const hdf5::Handle space(
      hdf5::check(H5Screate_simple(rank, extent.data(), nullptr), "describe", where), H5Sclose);
  hdf5::Handle data_set(hdf5::check(H5Dcreate2(group.get(), name.c_str(), H5T_STD_U8LE, space.get(),
                                               H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                                    "create", where),
                        H5Dclose);
  Hash hash;
  const std::int64_t step = block_rows(source);
  std::vector<std::byte> block;
  std::vector<hsize_t> start(extent.size(), 0);
  std::vector<hsize_t> count = extent;
  for (std::int64_t row = 0; row < source.shape().front(); row += step) {
    const std::int64_t rows = std::min(step, source.shape().front() - row);
    block.resize(static_cast<std::size_t>(rows * source.row_bytes()));
    source.read(block);
    hash.add(block);
    start.front() = static_cast<hsize_t>(row);
    count.front() = static_cast<hsize_t>(rows);
    const hdf5::Handle memory(
        hdf5::check(H5Screate_simple(rank, count.data(), nullptr), "describe", where), H5Sclose);
    hdf5::check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr,
                                    count.data(), nullptr),
                "select rows of", where);
    hdf5::check(H5Dwrite(data_set.get(), H5T_NATIVE_UINT8, memory.get(), space.get(), H5P_DEFAULT,
                         block.data()),
                "write", where);
  }
  data_set.close("write", where);
  return hash.hex();
}

std::string hash_of_values(const fs::path& file, const std::string& path) {
  const DataSet data = DataSet::open({hdf5::data_set_name(file.string(), path)}, RowKind::kLabels);
  const std::int64_t step =
      std::clamp<std::int64_t>(kBlockBytes / data.row_bytes(), 1, data.size());
  Hash hash;
  std::vector<std::byte> block;
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 0; row < data.size(); row += step) {
    rows.clear();
    for (std::int64_t i = row; i < std::min(row + step, data.size()); ++i) rows.push_back(i);
    block.resize(rows.size() * static_cast<std::size_t>(data.row_bytes()));
    data.read(rows, block.data());
    hash.add(block);
  }
  return hash.hex();
}

}  // namespace

std::vector<Imported> import_idx(const IdxImport& import) {
  const auto held = hdf5::lock();
  IdxFile images(import.images);
  std::optional<IdxFile> labels;
  if (!import.labels.empty()) labels.emplace(import.labels);
  check_sources(import, images, labels ? &*labels : nullptr);

  const TemporaryFile temporary(import.output);
  const std::string where = import.output.string();
  std::vector<std::pair<Imported, std::string>> written;  // with the hash of the values
  {
    hdf5::Handle file = open_output(import, temporary.path());
    hdf5::Handle group(hdf5::check(H5Gcreate2(file.get(), import.split.c_str(), H5P_DEFAULT,
                                              H5P_DEFAULT, H5P_DEFAULT),
                                   "create a group in", where),
                       H5Gclose);
    const auto write = [&](IdxFile& source, const std::string& name) {
      const std::string path = "/" + import.split + "/" + name;
      written.push_back({{path, source.shape()},
                         write_values(source, group, name, hdf5::data_set_name(where, path))});
    };
    write(images, "images");
    if (labels) write(*labels, "labels");
    group.close("write", where);
    file.close("write", where);
  }
  std::vector<Imported> result;
  for (const auto& [data_set, hash] : written) {
    if (hash_of_values(temporary.path(), data_set.path) != hash) {
      throw DataError(
          fmt::format("{} does not read back as it was written; is the disk full or "
                      "failing?",
                      hdf5::data_set_name(where, data_set.path)));
    }
    result.push_back(data_set);
  }
  publish_file(temporary.path(), import.output);
  return result;
}

}  // namespace elbow
