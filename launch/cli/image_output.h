// What commands make of x: a grid of pictures, or rows of an HDF5 file.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "launch/cli/output.h"
#include "launch/cli/used_model.h"
#include "monitoring/image.h"

namespace elbow {

struct ImageOutput {
  std::filesystem::path path;
  OutputKind kind = OutputKind::kPicture;

  bool is_table() const { return kind == OutputKind::kTable; }
};

// `given`: --output; "" for `name` among the run's samples, whose folder is made, with the
// extension of a picture, or of HDF5 where samples are no pictures. On rank 0 it is looked whether
// it can be written. Throws ConfigError for an extension that means nothing, and for a picture of
// samples that are none.
ImageOutput image_output(const UsedModel& model, const std::string& given, const char* name,
                         bool is_rank_0);

// A PNG shows no more. Throws ConfigError that names `option` to make them fewer.
void require_few_pictures(const ImageOutput& output, std::int64_t count, const std::string& option);

// A data set beside /images, a row for each of these samples (or cells).
struct ImageColumn {
  std::string name;
  std::function<torch::Tensor(std::span<const std::int64_t> indices)> rows;
};

struct ImageJob {
  BlockJob blocks;  // their block and progress are set by write_images
  std::string note;
  BlockCompute compute;  // x [B, shape...], and what a picture needs beside it
  std::vector<ImageColumn> columns;
  // From all that was computed, one behind the other. Not called for a table.
  std::function<Image(const BlockRows& all)> picture;
};

// Collective.
void write_images(const UsedModel& model, const UseArguments& arguments, const ImageOutput& output,
                  const ImageJob& job);

// The cell of a grid where there is none.
Image empty_cell(const Image& like);

// z [B, D] and what goes with it, [B, E] or undefined, of cells by their numbers.
struct CellCodes {
  torch::Tensor z;
  torch::Tensor condition;
};
using CellCodesOf = std::function<CellCodes(const torch::Tensor& cells)>;

// Cells 0 ... count-1 decoded, the ranks sharing the work.
struct CellJob {
  std::int64_t count = 0;
  CellCodesOf codes;  // of cells [B], int64
  std::vector<ImageColumn> columns;
  std::function<Image(const torch::Tensor& x)> picture;  // from all of them, [count, shape...]
};
void write_cells(Communicator& comm, const UsedModel& model, const UseArguments& arguments,
                 const ImageOutput& output, const CellJob& job);

// The rows of `table` that `rows` [B], int64, name; undefined where it is.
torch::Tensor rows_of(const torch::Tensor& table, const torch::Tensor& rows);

}  // namespace elbow
