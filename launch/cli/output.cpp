#include "launch/cli/output.h"

#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

RowType row_type(const torch::Tensor& rows) {
  switch (rows.scalar_type()) {
    case torch::kByte:
      return RowType::kUint8;
    case torch::kLong:
      return RowType::kInt64;
    case torch::kFloat:
      return RowType::kFloat32;
    default:
      return RowType::kFloat64;
  }
}

}  // namespace

OutputKind output_kind(const fs::path& output) {
  const fs::path extension = output.extension();
  if (extension == ".png") return OutputKind::kPicture;
  if (extension == ".h5" || extension == ".hdf5") return OutputKind::kTable;
  throw ConfigError(
      fmt::format("--output {}: the name says what is written: F.png a picture, F.h5 an HDF5 file",
                  output.string()));
}

void require_table(const fs::path& output) {
  const fs::path extension = output.extension();
  if (extension == ".h5" || extension == ".hdf5") return;
  throw ConfigError(
      fmt::format("--output {}: an HDF5 file is written; name it F.h5", output.string()));
}

void require_writable(const fs::path& output) {
  const fs::path folder = output.has_parent_path() ? output.parent_path() : fs::path(".");
  if (::access(folder.c_str(), W_OK) != 0) {
    throw Error(fmt::format("cannot write {}: {}; choose another --output", output.string(),
                            errno_text(errno)));
  }
  std::error_code ignored;
  if (fs::is_directory(output, ignored)) {
    throw Error(
        fmt::format("cannot write {}: it is a folder; choose another --output", output.string()));
  }
}

Table::Table(fs::path path, std::int64_t count, FileAttributes about)
    : path_(std::move(path)), count_(count), about_(std::move(about)) {}

void Table::add(const std::vector<std::string>& names, const std::vector<torch::Tensor>& rows) {
  std::vector<torch::Tensor> contiguous;
  std::vector<std::span<const std::byte>> values;
  for (const torch::Tensor& tensor : rows) {
    contiguous.push_back(tensor.contiguous());
    const auto* const data = static_cast<const std::byte*>(contiguous.back().const_data_ptr());
    values.emplace_back(data, contiguous.back().nbytes());
  }
  if (!file_) {
    std::vector<RowColumn> columns;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      columns.push_back({names[i], row_type(rows[i]), rows[i].sizes().slice(1).vec()});
    }
    file_ = std::make_unique<RowsFile>(path_, count_, std::move(columns), about_);
  }
  file_->append(values);
}

void Table::finish() { file_->finish(); }

}  // namespace elbow
