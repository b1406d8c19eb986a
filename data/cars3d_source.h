// Where Cars3D's files come from: a folder, or the archive as it is distributed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace elbow {

class Cars3dSource {
 public:
  // Content of one model's file: which model, its bytes, and what messages call it.
  using Visit = std::function<void(std::size_t model, std::span<const std::byte> bytes,
                                   const std::string& name)>;

  virtual ~Cars3dSource() = default;
  // Names in list.txt, in its order.
  const std::vector<std::string>& models() const { return models_; }
  // Calls `visit` once for each model, in any order. Throws DataError when the file of one is
  // missing, comes twice, or cannot be read.
  virtual void for_each(const Visit& visit) const = 0;

 protected:
  std::vector<std::string> models_;
};

// The lines of list.txt: names of files without .mat. Throws DataError naming `where`: empty, a
// name twice, a name that is no plain one (it could lead elsewhere).
std::vector<std::string> parse_car_list(std::string_view text, const std::string& where);

// A folder that holds list.txt, or cars/list.txt, or data/cars/list.txt; or a .tar or .tar.gz with
// one of these. Throws DataError naming the path.
std::unique_ptr<Cars3dSource> open_cars3d_source(const std::filesystem::path& path);

}  // namespace elbow
