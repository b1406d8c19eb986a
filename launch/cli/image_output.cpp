#include "launch/cli/image_output.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "trainer/comm/together.h"
#include "trainer/evaluation/pictures.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostPictures = 10000;

torch::Tensor tensor_of(std::span<const std::int64_t> indices) {
  return torch::tensor(at::ArrayRef<std::int64_t>(indices.data(), indices.size()), torch::kLong);
}

void make_folder_of_samples(const RunPaths& paths) {
  std::error_code error;
  fs::create_directory(paths.samples(), error);
  if (!error) return;
  throw Error(fmt::format("cannot make {}: {}; choose another --output", paths.samples().string(),
                          error.message()));
}

}  // namespace

ImageOutput image_output(const UsedModel& model, const std::string& given, const char* name,
                         bool is_rank_0) {
  const bool shown = can_be_shown(model.observation());
  ImageOutput output{given.empty()
                         ? model.paths.samples() / (name + std::string(shown ? ".png" : ".h5"))
                         : fs::path(given)};
  output.kind = output_kind(output.path);
  if (!output.is_table() && !shown) {
    throw ConfigError(fmt::format(
        "the run in {} is of samples of shape {}, which are no pictures (1, 3 or 4 channels of "
        "rows and columns); --output F.h5 writes their values",
        model.run, shape_text(model.observation().shape())));
  }
  if (!is_rank_0) return output;
  if (given.empty()) make_folder_of_samples(model.paths);
  require_writable(output.path);
  return output;
}

void require_few_pictures(const ImageOutput& output, std::int64_t count,
                          const std::string& option) {
  if (output.is_table() || count <= kMostPictures) return;
  throw ConfigError(
      fmt::format("{} pictures are more than the {} that a PNG shows; lower {}, or write them to "
                  "an HDF5 file with --output F.h5",
                  human_count(count), human_count(kMostPictures), option));
}

void write_images(const UsedModel& model, const UseArguments& arguments, const ImageOutput& output,
                  const ImageJob& job) {
  const torch::NoGradGuard no_grad;
  Communicator& comm = job.blocks.comm;
  BlockJob blocks = job.blocks;
  blocks.block = arguments.block;
  Table table(output.path, blocks.range.count, model.about(arguments));
  std::vector<BlockRows> parts;  // of each of the computed
  const auto keep = [&](std::span<const std::int64_t> indices, const BlockRows& rows) {
    if (output.is_table()) {
      std::vector<std::string> names = {"images"};
      BlockRows columns = {to_stored(model.observation(), rows[0])};
      for (const ImageColumn& column : job.columns) {
        names.push_back(column.name);
        columns.push_back(column.rows(indices));
      }
      return table.add(names, columns);
    }
    parts.resize(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) parts[i].push_back(rows[i]);
  };
  for_each_block_shown(blocks, job.note, job.compute, keep);
  together(comm, [&] {
    if (comm.rank() != 0) return;
    if (output.is_table()) return table.finish();
    BlockRows all;
    for (const BlockRows& part : parts) all.push_back(torch::cat(part));
    write_png(output.path, job.picture(all));
  });
}

Image empty_cell(const Image& like) {
  Image cell = like;
  cell.pixels.assign(cell.pixels.size(), 255);
  return cell;
}

void write_cells(Communicator& comm, const UsedModel& model, const UseArguments& arguments,
                 const ImageOutput& output, const CellJob& job) {
  const auto decode = [&](const Batch& batch) {
    const CellCodes codes = job.codes(tensor_of(batch.indices));
    return BlockRows{model.procedure().decode(codes.z, codes.condition)};
  };
  write_images(model, arguments, output,
               {{comm, first_samples(job.count)},
                "decoding",
                decode,
                job.columns,
                [&](const BlockRows& all) { return job.picture(all[0]); }});
}

torch::Tensor rows_of(const torch::Tensor& table, const torch::Tensor& rows) {
  return table.defined() ? table.index_select(0, rows) : table;
}

}  // namespace elbow
