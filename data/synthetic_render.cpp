#include "data/synthetic_render.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"

namespace elbow {
namespace {

using Integer = std::int64_t;

constexpr int kSamples = 4;             // along each axis of a pixel
constexpr Integer kStep = 256;          // units of a sample's width
constexpr Integer kViewWidth = 6000;    // mm across the picture, at the depth of the origin
constexpr Integer kDistance = 14000;    // mm from the camera to the point looked at
constexpr Integer kLookAtHeight = 600;  // mm
constexpr Integer kDecalLift = 3000;    // of the depth below: about 40 mm towards the camera
constexpr Integer kUnit = 1 << 14;      // length of a normal

struct Lamp {
  std::array<Integer, 3> towards;  // of length kUnit
  Integer diffuse;                 // of kUnit, as is ambient
  Integer ambient;
};
// Towards it: right, up and to the camera.
constexpr Lamp kCameraLamp{{-7000, 10900, 10050}, kUnit * 62 / 100, kUnit * 45 / 100};
// Towards it: x, y and z of the solid. A sun, harder than the lamp.
constexpr Lamp kSceneLamp{{12859, 5996, 8192}, kUnit * 85 / 100, kUnit * 30 / 100};

// Fixed point: Q30 has 30 binary digits behind the point.
constexpr int kTrigonometry = 30;
constexpr Integer kOne = Integer{1} << kTrigonometry;
constexpr int kAngle = 20;   // degrees
constexpr int kLength = 10;  // mm
constexpr int kDepth = 20;   // distance of the origin / distance of the point

// Sine in Q30 of an angle in [0, 90] degrees, Q20, by its Taylor series to x^13.
Integer sine_of_quadrant(Integer angle) {
  constexpr Integer kRadians = 19190098069;  // pi / 180 in Q40
  const Integer x = angle * kRadians >> (kAngle + 40 - kTrigonometry);
  const Integer square = x * x >> kTrigonometry;
  Integer series = kOne;
  for (const Integer divisor : {156, 110, 72, 42, 20, 6}) {
    series = kOne - (square * series >> kTrigonometry) / divisor;
  }
  return x * series >> kTrigonometry;
}

struct Turn {
  Integer sine;  // Q30
  Integer cosine;
};

Integer sine(Integer angle) {
  constexpr Integer kQuadrant = Integer{90} << kAngle;
  const Integer quadrant = angle / kQuadrant % 4;
  const Integer rest = angle % kQuadrant;
  const Integer size = sine_of_quadrant(quadrant % 2 == 0 ? rest : kQuadrant - rest);
  return quadrant < 2 ? size : -size;
}

// The remainder and the product with a power of two are exact in floating point.
Turn turn(double degrees) {
  Integer angle = std::llround(std::ldexp(std::fmod(degrees, 360.0), kAngle));
  if (angle < 0) angle += Integer{360} << kAngle;
  return {sine(angle), sine(angle + (Integer{90} << kAngle))};
}

Integer root(std::uint64_t value) {
  std::uint64_t result = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 31; bit != 0; bit >>= 1) {
    if ((result | bit) * (result | bit) <= value) result |= bit;
  }
  return static_cast<Integer>(result);
}

// A corner in the picture: x to the right, y down, in 1/256 of a sample.
struct Corner {
  Integer x;
  Integer y;
  Integer depth;  // Q20, larger when nearer; linear in x and y
};

class Camera {
 public:
  Camera(const View& view, int size)
      : azimuth_(turn(view.azimuth)),
        elevation_(turn(view.elevation)),
        width_(size * kSamples * kStep) {}

  // Right, up and towards the camera, in 2^-10 of the unit given.
  std::array<Integer, 3> turned(const SolidPoint& point) const {
    constexpr int kShift = kTrigonometry - kLength;
    const Integer right = (azimuth_.cosine * point.y - azimuth_.sine * point.x) >> kShift;
    const Integer forward = (azimuth_.cosine * point.x + azimuth_.sine * point.y) >> kShift;
    const Integer height = point.z << kLength;
    return {right, (elevation_.cosine * height - elevation_.sine * forward) >> kTrigonometry,
            (elevation_.cosine * forward + elevation_.sine * height) >> kTrigonometry};
  }

  Corner project(const SolidPoint& point) const {
    const auto [right, up, near] = turned({point.x, point.y, point.z - kLookAtHeight});
    const Integer depth = (kDistance << (kLength + kDepth)) / ((kDistance << kLength) - near);
    return {picture(right * depth), picture(-up * depth), depth};
  }

 private:
  Integer picture(Integer length) const {
    return (length >> kDepth) * width_ / (kViewWidth << kLength) + width_ / 2;
  }

  Turn azimuth_;
  Turn elevation_;
  Integer width_;  // of the picture
};

// Each channel times numerator / denominator, white at most.
Colour scaled(Colour colour, Integer numerator, Integer denominator) {
  const auto channel = [&](std::uint8_t value) {
    return static_cast<std::uint8_t>(std::min<Integer>(255, value * numerator / denominator));
  };
  return {channel(colour.red), channel(colour.green), channel(colour.blue)};
}

Colour lit(const Face& face, const Camera& camera, Light light) {
  const auto& [a, b, c] = face.corners;
  const SolidPoint u{b.x - a.x, b.y - a.y, b.z - a.z};
  const SolidPoint v{c.x - a.x, c.y - a.y, c.z - a.z};
  SolidPoint normal{u.y * v.z - u.z * v.y, u.z * v.x - u.x * v.z, u.x * v.y - u.y * v.x};
  const Integer length =
      std::max<Integer>(1, root(static_cast<std::uint64_t>(
                               normal.x * normal.x + normal.y * normal.y + normal.z * normal.z)));
  normal = {normal.x * kUnit / length, normal.y * kUnit / length, normal.z * kUnit / length};
  const bool turns = light == Light::kCamera;
  const Lamp& lamp = turns ? kCameraLamp : kSceneLamp;
  std::array<Integer, 3> seen{normal.x << kLength, normal.y << kLength, normal.z << kLength};
  if (turns) seen = camera.turned(normal);
  Integer cosine = 0;
  for (std::size_t i = 0; i < 3; ++i) cosine += (seen[i] >> kLength) * lamp.towards[i];
  const Integer strength =
      lamp.ambient + lamp.diffuse * std::max<Integer>(0, cosine / kUnit) / kUnit;
  return scaled(face.colour, strength, kUnit);
}

// Colours and depths of all samples.
class Canvas {
 public:
  Canvas(int size, std::uint8_t grey)
      : width_(size * kSamples),
        colours_(static_cast<std::size_t>(width_ * width_), Colour{grey, grey, grey}),
        depths_(colours_.size(), 0) {}

  // Corners clockwise in the picture. A sample on an edge that two faces share belongs to one.
  void fill(const std::array<Corner, 3>& corners, Colour colour, Integer lift) {
    const auto& [a, b, c] = corners;
    const Integer area = edge(a, b, c.x, c.y);
    if (area <= 0) return;
    const auto [left, right] = samples(std::min({a.x, b.x, c.x}), std::max({a.x, b.x, c.x}));
    const auto [top, bottom] = samples(std::min({a.y, b.y, c.y}), std::max({a.y, b.y, c.y}));
    const Integer of_a = owned(b, c);
    const Integer of_b = owned(c, a);
    const Integer of_c = owned(a, b);
    for (Integer row = top; row <= bottom; ++row) {
      for (Integer column = left; column <= right; ++column) {
        const Integer x = column * kStep + kStep / 2;
        const Integer y = row * kStep + kStep / 2;
        const Integer wa = edge(b, c, x, y);
        const Integer wb = edge(c, a, x, y);
        const Integer wc = edge(a, b, x, y);
        if (wa < of_a || wb < of_b || wc < of_c) continue;
        const Integer depth = (wa * a.depth + wb * b.depth + wc * c.depth) / area + lift;
        const auto sample = static_cast<std::size_t>(row * width_ + column);
        if (depth <= depths_[sample]) continue;
        depths_[sample] = depth;
        colours_[sample] = colour;
      }
    }
  }

  void average(std::span<std::uint8_t> pixels) const {
    constexpr unsigned kCount = kSamples * kSamples;
    const Integer size = width_ / kSamples;
    for (Integer row = 0; row < size; ++row) {
      for (Integer column = 0; column < size; ++column) {
        std::array<unsigned, 3> sum{kCount / 2, kCount / 2, kCount / 2};
        for (Integer i = 0; i < kCount; ++i) {
          const Integer sample =
              (row * kSamples + i / kSamples) * width_ + column * kSamples + i % kSamples;
          const Colour& colour = colours_[static_cast<std::size_t>(sample)];
          sum[0] += colour.red;
          sum[1] += colour.green;
          sum[2] += colour.blue;
        }
        for (std::size_t i = 0; i < 3; ++i) {
          pixels[static_cast<std::size_t>(row * size + column) * 3 + i] =
              static_cast<std::uint8_t>(sum[i] / kCount);
        }
      }
    }
  }

 private:
  // Twice the area of from, to, (x, y); positive when clockwise in the picture.
  static Integer edge(const Corner& from, const Corner& to, Integer x, Integer y) {
    return (to.x - from.x) * (y - from.y) - (to.y - from.y) * (x - from.x);
  }

  // The least value of `edge` that is inside: top and left edges own their samples.
  static Integer owned(const Corner& from, const Corner& to) {
    const bool top = to.y == from.y && to.x > from.x;
    return top || to.y < from.y ? 0 : 1;
  }

  // Columns or rows whose samples may lie between two places.
  std::array<Integer, 2> samples(Integer from, Integer to) const {
    return {std::max<Integer>(0, from / kStep - 1), std::min(width_ - 1, to / kStep + 1)};
  }

  Integer width_;
  std::vector<Colour> colours_;
  std::vector<Integer> depths_;
};

void check(const View& view, int size) {
  if (!std::isfinite(view.azimuth) || !(std::abs(view.elevation) <= 90)) {
    throw ConfigError(fmt::format(
        "a view from azimuth {} and elevation {} cannot be drawn: the azimuth must be finite, the "
        "elevation from -90 to 90 degrees",
        view.azimuth, view.elevation));
  }
  if (size < kSmallestRender || size > kLargestRender) {
    throw ConfigError(fmt::format("--size {} must be from {} to {} pixels", size, kSmallestRender,
                                  kLargestRender));
  }
}

}  // namespace

void render(std::span<const Face> faces, const View& view, int size,
            std::span<std::uint8_t> pixels) {
  check(view, size);
  const Camera camera(view, size);
  Canvas canvas(size, view.background);
  for (const Face& face : faces) {
    const auto& [a, b, c] = face.corners;
    // The picture's y points down, so that counter-clockwise becomes clockwise.
    const std::array<Corner, 3> corners{camera.project(a), camera.project(c), camera.project(b)};
    switch (face.kind) {
      case Face::Kind::kSurface:
        canvas.fill(corners, lit(face, camera, view.light), 0);
        break;
      case Face::Kind::kDecal:
        canvas.fill(corners, lit(face, camera, view.light), kDecalLift);
        break;
      case Face::Kind::kShadow:
        // Its colour is given on white.
        canvas.fill(corners, scaled(face.colour, view.background, 255), -kDecalLift);
        break;
    }
  }
  canvas.average(pixels);
}

}  // namespace elbow
