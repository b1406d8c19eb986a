#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include <fmt/format.h>

#include "base/error.h"
#include "data/cars3d.h"
#include "data/cars3d_mat.h"
#include "data/cars3d_source.h"

namespace elbow {
namespace {

constexpr std::size_t kChannels = 3;

// Averages over areas, exactly: a pixel of the smaller picture covers side / size pixels of the
// larger one along each axis, those at its borders in part. Sums are in units of 1 / size of a
// pixel along each axis; the mean is rounded to the nearest, halves up.
class Shrinker {
 public:
  Shrinker(std::size_t side, std::size_t size) : side_(side), size_(size), rows_(size * side) {}

  // `from`: [column][row], as MATLAB has it; `to`: [row][column], kChannels apart.
  void shrink(const std::uint8_t* from, std::uint8_t* to) {
    for (std::size_t column = 0; column < side_; ++column) {
      for (std::size_t row = 0; row < size_; ++row) {
        rows_[row * side_ + column] =
            sum(row, [&](std::size_t i) { return from[column * side_ + i]; });
      }
    }
    const std::uint64_t area = side_ * side_;
    for (std::size_t row = 0; row < size_; ++row) {
      for (std::size_t column = 0; column < size_; ++column) {
        const std::uint64_t total =
            sum(column, [&](std::size_t i) { return rows_[row * side_ + i]; });
        to[(row * size_ + column) * kChannels] =
            static_cast<std::uint8_t>((total + area / 2) / area);
      }
    }
  }

 private:
  // Over what pixel `index` of the smaller picture covers, weighted; the weights add up to side_.
  template <typename Values>
  std::uint64_t sum(std::size_t index, const Values& values) const {
    const std::size_t begin = index * side_;
    const std::size_t end = begin + side_;
    std::uint64_t total = 0;
    for (std::size_t i = begin / size_; i * size_ < end; ++i) {
      const std::size_t covered = std::min(end, (i + 1) * size_) - std::max(begin, i * size_);
      total += covered * values(i);
    }
    return total;
  }

  std::size_t side_;
  std::size_t size_;
  std::vector<std::uint64_t> rows_;  // [size, side]
};

// All views of a model as rows of images, azimuth by azimuth.
std::vector<std::uint8_t> image_rows(const CarViews& views, std::int64_t image_size) {
  const auto side = static_cast<std::size_t>(views.side);
  const auto size = static_cast<std::size_t>(image_size);
  Shrinker shrinker(side, size);
  std::vector<std::uint8_t> rows(kCars3dViews * size * size * kChannels);
  std::uint8_t* to = rows.data();
  for (std::size_t azimuth = 0; azimuth < kCars3dAzimuths; ++azimuth) {
    for (std::size_t elevation = 0; elevation < kCars3dElevations; ++elevation) {
      const std::size_t picture = elevation * kCars3dAzimuths + azimuth;
      for (std::size_t channel = 0; channel < kChannels; ++channel) {
        const std::size_t plane = picture * kChannels + channel;
        shrinker.shrink(views.values.data() + plane * side * side, to + channel);
      }
      to += size * size * kChannels;
    }
  }
  return rows;
}

void write_labels(ImportOutput& output, std::int64_t models) {
  std::vector<std::int64_t> labels;
  std::vector<std::int64_t> model_labels;
  for (std::int64_t row = 0; row < models * kCars3dViews; ++row) {
    const std::int64_t model = row / kCars3dViews;
    const std::int64_t azimuth = row / kCars3dElevations % kCars3dAzimuths;
    labels.insert(labels.end(), {model, azimuth, row % kCars3dElevations});
    model_labels.push_back(model);
  }
  output.write(1, 0, std::as_bytes(std::span(labels)));
  output.write(2, 0, std::as_bytes(std::span(model_labels)));
}

// Models come in any order; a chunk that lies within one is packed once.
std::int64_t chunk_rows(std::int64_t image_bytes) {
  std::int64_t rows = std::clamp<std::int64_t>(kImportedChunkBytes / image_bytes, 1, kCars3dViews);
  while (kCars3dViews % rows != 0) --rows;
  return rows;
}

}  // namespace

std::vector<Imported> import_cars3d(const Cars3dImport& import) {
  if (import.size < 1) throw ConfigError(fmt::format("--size {} must be 1 or more", import.size));
  const auto source = open_cars3d_source(import.source);
  const std::int64_t models = std::ssize(source->models());
  ImportOutput output(import.output, import.group, import.replace);
  const std::int64_t rows = models * kCars3dViews;
  output.add("images", ImportedType::kUint8, {rows, import.size, import.size, kChannels},
             chunk_rows(import.size * import.size * static_cast<std::int64_t>(kChannels)));
  output.add("labels", ImportedType::kInt64, {rows, 3});
  output.add("model_labels", ImportedType::kInt64, {rows});
  std::int64_t side = 0;
  std::string first;  // the file whose size the others must have
  source->for_each(
      [&](std::size_t model, std::span<const std::byte> bytes, const std::string& name) {
        const CarViews views = read_car_views(bytes, name);
        if (import.size > views.side) {
          throw ConfigError(fmt::format("--size {} is larger than the pictures of {}: {} x {}",
                                        import.size, name, views.side, views.side));
        }
        if (first.empty()) first = name;
        if (side != 0 && views.side != side) {
          throw DataError(fmt::format("sizes disagree: pictures are {} x {} in {}, {} x {} in {}",
                                      side, side, first, views.side, views.side, name));
        }
        side = views.side;
        const std::vector<std::uint8_t> images = image_rows(views, import.size);
        output.write(0, static_cast<std::int64_t>(model) * kCars3dViews,
                     std::as_bytes(std::span(images)));
      });
  write_labels(output, models);
  return output.publish();
}

}  // namespace elbow
