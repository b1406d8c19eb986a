#include "monitoring/report/pictures.h"

#include <algorithm>
#include <string_view>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/text.h"
#include "monitoring/image.h"
#include "monitoring/report/report_input.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostPictures = 24;         // of a folder
constexpr std::size_t kLargestPicture = 4 << 20;  // bytes

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (j < count ? static_cast<std::uint8_t>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= count ? kDigits[bits >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

std::vector<fs::path> png_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".png") files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Json embedded(const fs::path& file, PictureBudget& budget) {
  require_regular(file);
  const std::string bytes = read_file(file, kLargestPicture);
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (size > budget.bytes) {
    throw Error(fmt::format("{} would make the report too large", file.string()));
  }
  const Image image = read_png(file);  // shows that it is one, whole
  budget.bytes -= size;
  return {{"name", file.stem().string()},
          {"width", image.width},
          {"height", image.height},
          {"uri", "data:image/png;base64," + base64(bytes)}};
}

}  // namespace

Json embedded_pictures(const fs::path& folder, PictureBudget& budget,
                       std::vector<std::string>& left_out) {
  Json pictures = Json::array();
  const std::vector<fs::path> files = png_files(folder);
  for (const fs::path& file : files) {
    if (pictures.size() == kMostPictures) {
      left_out.push_back(fmt::format("{}: of {} pictures the first {} are shown", folder.string(),
                                     files.size(), kMostPictures));
      break;
    }
    try {
      pictures.push_back(embedded(file, budget));
    } catch (const Error& error) {
      left_out.push_back(fmt::format("left out: {}", error.what()));
    }
  }
  return pictures;
}

}  // namespace elbow
