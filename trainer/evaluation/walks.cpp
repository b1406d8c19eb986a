#include "trainer/evaluation/walks.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "trainer/model/prior.h"

namespace elbow {
namespace {

const Prior* prior_of(const Procedure& model) {
  for (const auto& part : model.named_children()) {
    if (const auto* prior = dynamic_cast<const Prior*>(part.value().get())) return prior;
  }
  return nullptr;
}

}  // namespace

std::vector<LatentAxis> latent_axes(const Procedure& model) {
  const Prior* prior = prior_of(model);
  return prior == nullptr ? std::vector<LatentAxis>{} : prior->axes();
}

bool has_codes(const Procedure& model) { return prior_of(model) != nullptr; }

torch::Tensor central_code(const std::vector<LatentAxis>& axes) {
  torch::Tensor z = torch::zeros({axes.back().first + axes.back().entries()});
  for (const LatentAxis& axis : axes) {
    if (axis.categories > 0) z[axis.first] = 1;
  }
  return z;
}

std::vector<double> stops(const LatentAxis& axis, double from, double to, std::int64_t steps) {
  const bool choice = axis.categories > 0;
  if (choice) {
    from = 0;
    to = static_cast<double>(axis.categories - 1);
    steps = std::min(steps, axis.categories);
  } else {
    from = std::clamp(from, -axis.limit, axis.limit);
    to = std::clamp(to, -axis.limit, axis.limit);
  }
  std::vector<double> result;
  for (std::int64_t i = 0; i < steps; ++i) {
    const double share = steps > 1 ? static_cast<double>(i) / static_cast<double>(steps - 1) : 0.0;
    const double stop = from + share * (to - from);
    result.push_back(choice ? std::round(stop) : stop);
  }
  return result;
}

torch::Tensor walk(const torch::Tensor& z, const LatentAxis& axis,
                   const std::vector<double>& stops) {
  torch::Tensor codes = z.unsqueeze(0).repeat({static_cast<std::int64_t>(stops.size()), 1});
  codes.narrow(1, axis.first, axis.entries()).zero_();
  for (std::size_t i = 0; i < stops.size(); ++i) {
    torch::Tensor code = codes[static_cast<std::int64_t>(i)];
    if (axis.categories > 0) {
      code[axis.first + static_cast<std::int64_t>(stops[i])] = 1;
    } else {
      code[axis.first] = stops[i];
    }
  }
  return codes;
}

torch::Tensor between(const torch::Tensor& a, const torch::Tensor& b, std::int64_t steps,
                      Path path) {
  constexpr double kNoCircle = 1e-4;  // radians from equal or opposite
  const auto type = a.scalar_type();
  const torch::Tensor from = a.to(torch::kDouble);
  const torch::Tensor to = b.to(torch::kDouble);
  const double from_length = from.norm().item<double>();
  const double to_length = to.norm().item<double>();
  const bool at_origin = from_length == 0 || to_length == 0;
  const double cosine =
      at_origin ? 1 : (from / from_length).dot(to / to_length).clamp(-1, 1).item<double>();
  const double angle = std::acos(cosine);
  const bool straight =
      path == Path::kLinear || angle < kNoCircle || angle > std::numbers::pi - kNoCircle;
  std::vector<torch::Tensor> codes;
  for (std::int64_t i = 0; i < steps; ++i) {
    const double t = steps > 1 ? static_cast<double>(i) / static_cast<double>(steps - 1) : 0.0;
    if (straight || i == 0 || i == steps - 1) {
      codes.push_back((1 - t) * from + t * to);
      continue;
    }
    const torch::Tensor direction =
        (std::sin((1 - t) * angle) * from / from_length + std::sin(t * angle) * to / to_length) /
        std::sin(angle);
    codes.push_back(((1 - t) * from_length + t * to_length) * direction);
  }
  return torch::stack(codes).to(type);
}

}  // namespace elbow
