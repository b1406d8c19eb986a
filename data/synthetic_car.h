// Cars that don't exist: a solid whose shape and colours are functions of (seed, model).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/synthetic_render.h"

namespace elbow {

// What a model is made of, each drawn uniformly and independently from keyed noise. Lengths in mm.
struct CarShape {
  enum class Body { kSaloon, kEstate, kPickup, kVan };

  Body body = Body::kSaloon;
  std::int64_t length = 4300;     // 3700 to 5100
  std::int64_t width = 1750;      // 1600 to 1950
  std::int64_t clearance = 220;   // under the body: 160 to 320
  std::int64_t belt = 900;        // height where the windows begin: 820 to 1020
  std::int64_t cabin = 520;       // height of the cabin above it: 400 to 600; a van's 700 to 900
  std::int64_t nose = 700;        // height of the front: 600 to 780
  std::int64_t tail = 850;        // height of a saloon's or pickup's boot: 740 to 820
  std::int64_t bonnet = 1100;     // from the front to the windscreen's foot: 22 % to 31 % of length
  std::int64_t boot = 700;        // from the rear window's foot to the end; by the body
  std::int64_t windscreen = 550;  // how far it leans back: 300 to 700; a van's 150 to 350
  std::int64_t rear_window = 300;  // how far it leans: 60 to 700, by the body
  std::int64_t inset = 130;        // of the roof, at each side: 80 to 200
  std::int64_t wheel = 320;        // radius: 280 to 380
  Colour paint;                    // hue all round, saturation 25 % to 95 %, value 40 % to 95 %
  Colour roof;                     // as the paint, or (one in four) black or white
  Colour sill;                     // as the paint, or (one in three) dark
  Colour rims;                     // grey 90 to 230
  bool spoiler = false;            // one in four saloons
};

// Model number `model` of `seed`.
CarShape car_shape(std::uint64_t seed, std::int64_t model);

// Its surface, with its shadow on the ground; the front looks to +x.
std::vector<Face> car_solid(const CarShape& shape);

// The picture of a model: `pixels` is [size, size, 3]. A pure function of its arguments, with the
// same bits on every machine. Errors as render().
void render_car(std::uint64_t seed, std::int64_t model, const View& view, int size,
                std::span<std::uint8_t> pixels);

}  // namespace elbow
