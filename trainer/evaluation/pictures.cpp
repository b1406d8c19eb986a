#include "trainer/evaluation/pictures.h"

#include <cstring>

namespace elbow {

bool can_be_shown(const Observation& observation) {
  const auto& shape = observation.shape();
  return shape.size() == 3 && (shape[0] == 1 || shape[0] == 3 || shape[0] == 4) && shape[1] > 1 &&
         shape[2] > 1;
}

std::vector<Image> to_images(const Observation& observation, const torch::Tensor& x) {
  const torch::Tensor shown = observation.display(x).clamp(0, 1).mul(255).round();
  const std::int64_t channels = shown.size(1) == 1 ? 1 : 3;
  // [B, H, W, C]
  const torch::Tensor pixels =
      shown.narrow(1, 0, channels).permute({0, 2, 3, 1}).to(torch::kByte).contiguous();
  std::vector<Image> images;
  for (std::int64_t i = 0; i < pixels.size(0); ++i) {
    Image image;
    image.height = static_cast<int>(pixels.size(1));
    image.width = static_cast<int>(pixels.size(2));
    image.channels = static_cast<int>(channels);
    const torch::Tensor one = pixels[i];
    image.pixels.resize(one.nbytes());
    std::memcpy(image.pixels.data(), one.data_ptr(), one.nbytes());
    images.push_back(std::move(image));
  }
  return images;
}

torch::Tensor to_stored(const Observation& observation, const torch::Tensor& x) {
  const torch::Tensor values = observation.in_file_units(x).contiguous();
  const StoredRows& rows = observation.rows();
  if (rows.type != ValueType::kUint8 || rows.white == 1) return values.to(torch::kFloat);
  const bool dithered =
      observation.values() == Values::kDithered || observation.values() == Values::kStandardised;
  const torch::Tensor whole = dithered ? values.floor() : values.round();
  return whole.clamp(0, 255).to(torch::kByte);
}

}  // namespace elbow
