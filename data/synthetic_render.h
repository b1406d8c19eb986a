// Pictures of solids made of triangles, equal bit for bit on every machine: from the angles on,
// all arithmetic is done in integers.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace elbow {

// Millimetres: x forward, y to the left, z up, the ground at 0.
struct SolidPoint {
  std::int64_t x = 0;
  std::int64_t y = 0;
  std::int64_t z = 0;
};

struct Colour {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
};

// A triangle, seen from the side where its corners turn counter-clockwise.
struct Face {
  enum class Kind {
    kSurface,
    kDecal,   // lies on a surface and covers it
    kShadow,  // unlit, and covered by everything
  };
  std::array<SolidPoint, 3> corners;
  Colour colour;
  Kind kind = Kind::kSurface;
};

// What the light is fixed to: the camera; or the scene, a sun from the front, 30 degrees high and
// 25 to the left, so that opposite sides of the solid differ.
enum class Light { kCamera, kScene };

// Where the camera is, in degrees: azimuth 0 looks at the front (+x), 90 at the left side (+y);
// elevation 0 lies in the ground, 90 above.
struct View {
  double azimuth = 0;
  double elevation = 0;
  Light light = Light::kCamera;
  std::uint8_t background = 255;  // grey level behind the solid
};

inline constexpr int kSmallestRender = 8;
inline constexpr int kLargestRender = 512;

// Draws faces within 3 m of the origin (and 2 m above the ground) on the background: perspective
// from 14 m, a depth buffer, flat shading after Lambert by one distant light, 4 x 4 samples a
// pixel. `pixels`: [size, size, 3]. Pure, so safe from any thread. Throws ConfigError on angles
// that are not finite, an elevation outside [-90, 90], or a size outside the bounds above.
void render(std::span<const Face> faces, const View& view, int size,
            std::span<std::uint8_t> pixels);

}  // namespace elbow
