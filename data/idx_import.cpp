#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "data/idx.h"
#include "data/import_output.h"

namespace elbow {
namespace {

constexpr std::int64_t kCopiedBytes = 8 << 20;
constexpr std::size_t kMostIdxAxes = 4;

void check_sources(const IdxFile& images, const IdxFile* labels) {
  if (images.shape().size() < 2 || images.shape().size() > kMostIdxAxes) {
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
  if (labels && labels->shape().size() > kMostIdxAxes) {
    throw DataError(fmt::format("{} has the shape {}: labels may have three axes behind the first",
                                labels->file(), shape_text(labels->shape())));
  }
}

// All rows, a block at a time.
void copy_rows(IdxFile& source, std::size_t data_set, ImportOutput& output) {
  const std::int64_t count = source.shape().front();
  const std::int64_t step = std::clamp<std::int64_t>(kCopiedBytes / source.row_bytes(), 1, count);
  std::vector<std::byte> block;
  for (std::int64_t row = 0; row < count; row += step) {
    block.resize(static_cast<std::size_t>(std::min(step, count - row) * source.row_bytes()));
    source.read(block);
    output.write(data_set, row, block);
  }
}

}  // namespace

std::vector<Imported> import_idx(const IdxImport& import) {
  IdxFile images(import.images);
  std::optional<IdxFile> labels;
  if (!import.labels.empty()) labels.emplace(import.labels);
  check_sources(images, labels ? &*labels : nullptr);

  ImportOutput output(import.output, import.split, import.replace, "--split");
  const auto copy = [&](IdxFile& source, const std::string& name) {
    copy_rows(source, output.add(name, ImportedType::kUint8, source.shape(), kContiguous), output);
  };
  copy(images, "images");
  if (labels) copy(*labels, "labels");
  return output.publish();
}

}  // namespace elbow
