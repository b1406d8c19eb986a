// PNG files as part of a page.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace elbow {

// How many bytes of pictures a page may still take.
struct PictureBudget {
  std::int64_t bytes = 24 << 20;
};

// The .png files of a folder in the order of their names: [{name, width, height, uri}], each a data
// URI. Those that are too large, too many or no PNG are left out, and `left_out` says which and
// why.
nlohmann::ordered_json embedded_pictures(const std::filesystem::path& folder, PictureBudget& budget,
                                         std::vector<std::string>& left_out);

}  // namespace elbow
