#include "data/synthetic_car.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/noise.h"

namespace elbow {
namespace {

using Integer = std::int64_t;
using Ring = std::vector<SolidPoint>;

constexpr Colour kTyre{38, 38, 42};
constexpr Colour kGlass{52, 66, 84};
constexpr Colour kDark{30, 30, 34};
constexpr Colour kLamp{255, 244, 190};
constexpr Colour kRearLamp{225, 20, 24};
constexpr Colour kPlate{240, 240, 240};
constexpr Colour kBlack{26, 26, 30};
constexpr Colour kWhite{245, 245, 245};
constexpr Colour kShadow{206, 206, 210};

// --- shapes -------------------------------------------------------------------------------------

// Uniform integers of one model, one after the other.
class Draws {
 public:
  Draws(std::uint64_t seed, Integer model)
      : noise_({.seed = seed, .purpose = Purpose::kSyntheticCars}),
        model_(static_cast<std::uint64_t>(model)) {}

  Integer from(Integer low, Integer high) {  // both included
    const std::uint64_t word = noise_.words(model_, 0, next_ / 4)[next_ % 4];
    ++next_;
    return low + static_cast<Integer>(word * static_cast<std::uint64_t>(high - low + 1) >> 32);
  }
  bool one_in(Integer count) { return from(1, count) == 1; }

 private:
  Noise noise_;
  std::uint64_t model_;
  std::uint32_t next_ = 0;
};

// Hue in 1/256 of a sixth of the circle, saturation and value of 255.
Colour colour_of(Integer hue, Integer saturation, Integer value) {
  const Integer rest = hue % 256;
  const auto level = [&](Integer part) {  // part: how far from full, of 256
    return static_cast<std::uint8_t>(value * (255 * 256 - saturation * part) / (255 * 256));
  };
  const std::uint8_t full = level(0);
  const std::uint8_t none = level(256);
  const std::uint8_t rising = level(256 - rest);
  const std::uint8_t falling = level(rest);
  switch (hue / 256 % 6) {
    case 0:
      return {full, rising, none};
    case 1:
      return {falling, full, none};
    case 2:
      return {none, full, rising};
    case 3:
      return {none, falling, full};
    case 4:
      return {rising, none, full};
    default:
      return {full, none, falling};
  }
}

void draw_body(CarShape& shape, Draws& draws) {
  const Integer kind = draws.from(0, 9);
  shape.body = kind < 5   ? CarShape::Body::kSaloon
               : kind < 8 ? CarShape::Body::kEstate
               : kind < 9 ? CarShape::Body::kPickup
                          : CarShape::Body::kVan;
  // Drawn for every body, so that a model's other numbers don't depend on it.
  const Integer boot = draws.from(0, 1000);
  const Integer rear = draws.from(0, 1000);
  const Integer cabin = draws.from(400, 600);
  const Integer windscreen = draws.from(300, 700);
  shape.cabin = cabin;
  shape.windscreen = windscreen;
  shape.boot = shape.length * (13000 + 8 * boot) / 100000;
  shape.rear_window = 250 + rear * 450 / 1000;
  switch (shape.body) {
    case CarShape::Body::kSaloon:
      break;
    case CarShape::Body::kEstate:
      shape.boot = shape.length * (1500 + 3 * boot) / 100000;
      shape.rear_window = 100 + rear * 300 / 1000;
      break;
    case CarShape::Body::kPickup:
      shape.boot = shape.length * (35000 + 6 * boot) / 100000;
      shape.rear_window = 60 + rear * 100 / 1000;
      break;
    case CarShape::Body::kVan:
      shape.boot = shape.length * 2 / 100;
      shape.rear_window = 60 + rear * 80 / 1000;
      shape.windscreen = 150 + (windscreen - 300) / 2;
      shape.cabin = cabin + 300;
      break;
  }
}

void draw_colours(CarShape& shape, Draws& draws) {
  const Integer hue = draws.from(0, 6 * 256 - 1);
  const Integer saturation = draws.from(64, 242);
  const Integer value = draws.from(102, 242);
  shape.paint = colour_of(hue, saturation, value);
  const bool other_roof = draws.one_in(4);
  const bool black = draws.one_in(2);
  shape.roof = other_roof ? (black ? kBlack : kWhite) : shape.paint;
  shape.sill = draws.one_in(3) ? kDark : shape.paint;
  const auto rims = static_cast<std::uint8_t>(draws.from(90, 230));
  shape.rims = {rims, rims, rims};
}

// --- solids -------------------------------------------------------------------------------------

using Quad = std::array<SolidPoint, 4>;  // counter-clockwise from outside

SolidPoint between(const SolidPoint& from, const SolidPoint& to, Integer permille) {
  return {from.x + (to.x - from.x) * permille / 1000, from.y + (to.y - from.y) * permille / 1000,
          from.z + (to.z - from.z) * permille / 1000};
}

class Solid {
 public:
  void polygon(const Ring& corners, Colour colour, Face::Kind kind = Face::Kind::kSurface) {
    for (std::size_t i = 2; i < corners.size(); ++i) {
      faces_.push_back({{corners[0], corners[i - 1], corners[i]}, colour, kind});
    }
  }

  // Part of a quad, from u0 to u1 along its first side and from v0 to v1 along its last, of 1000.
  void decal(const Quad& quad, std::array<Integer, 2> u, std::array<Integer, 2> v, Colour colour) {
    const auto at = [&quad](Integer along, Integer across) {
      return between(between(quad[0], quad[1], along), between(quad[3], quad[2], along), across);
    };
    polygon({at(u[0], v[0]), at(u[1], v[0]), at(u[1], v[1]), at(u[0], v[1])}, colour,
            Face::Kind::kDecal);
  }

  // Through rings of equally many corners, counter-clockwise as seen from the last one's end.
  // `sides`: colours of the faces between corners i and i + 1.
  void loft(const std::vector<Ring>& rings, const std::vector<Colour>& sides, Colour first,
            Colour last) {
    for (std::size_t k = 0; k + 1 < rings.size(); ++k) {
      const Ring& near = rings[k];
      const Ring& far = rings[k + 1];
      for (std::size_t i = 0; i < near.size(); ++i) {
        const std::size_t next = (i + 1) % near.size();
        polygon({near[i], near[next], far[next], far[i]}, sides[i % sides.size()]);
      }
    }
    polygon({rings.front().rbegin(), rings.front().rend()}, first);
    polygon(rings.back(), last);
  }

  std::vector<Face> take() { return std::move(faces_); }

 private:
  std::vector<Face> faces_;
};

// A cut across the body: six corners, widest at `middle`.
struct Cut {
  Integer x;
  Integer bottom;
  Integer middle;
  Integer top;
  Integer half;  // width

  Ring ring() const {
    const Integer low = half * 94 / 100;
    const Integer high = half * 93 / 100;
    return {{x, -low, bottom}, {x, low, bottom}, {x, half, middle},
            {x, high, top},    {x, -high, top},  {x, -half, middle}};
  }
};

struct Builder {
  const CarShape& shape;
  Solid solid;
  Integer front = shape.length / 2;
  Integer half = shape.width / 2;
  Integer screen_foot = front - shape.bonnet;
  Integer rear_foot = -front + shape.boot;
  Integer belt = shape.belt;
  Integer floor = shape.clearance;
  bool low_boot = shape.body == CarShape::Body::kSaloon || shape.body == CarShape::Body::kPickup;

  void ground_shadow() {
    const Integer x = front + 40;
    const Integer y = half + 60;
    const Integer cut = 350;
    solid.polygon({{x, -y + cut, 0},
                   {x, y - cut, 0},
                   {x - cut, y, 0},
                   {-x + cut, y, 0},
                   {-x, y - cut, 0},
                   {-x, -y + cut, 0},
                   {-x + cut, -y, 0},
                   {x - cut, -y, 0}},
                  kShadow, Face::Kind::kShadow);
  }

  void body() {
    const Integer middle = floor + (belt - floor) * 45 / 100;
    const Integer back = low_boot ? shape.tail : belt - 20;
    const Integer bend = rear_foot - (low_boot ? 60 : 10);
    const Cut end{-front, floor + 80, middle, back - 60, half * 90 / 100};
    const Cut nose{front, floor + 60, middle, shape.nose - 70, half * 86 / 100};
    const std::vector<Ring> rings{
        end.ring(),
        Cut{-front + 60, floor + 20, middle, back, half * 97 / 100}.ring(),
        Cut{bend, floor, middle, back, half}.ring(),
        Cut{rear_foot, floor, middle, belt, half}.ring(),
        Cut{screen_foot, floor, middle, belt, half}.ring(),
        Cut{front - 200, floor, middle, shape.nose, half * 96 / 100}.ring(),
        nose.ring()};
    const Colour& paint = shape.paint;
    solid.loft(rings, {kDark, shape.sill, paint, paint, paint, shape.sill}, paint, paint);
    face_of_front(nose);
    face_of_rear(end);
    if (shape.body == CarShape::Body::kPickup) {
      const Ring& from = rings[1];
      const Ring& to = rings[2];
      solid.decal({from[4], to[4], to[3], from[3]}, {60, 960}, {90, 910}, kDark);
    }
  }

  // Decals lie on the caps' rectangles between bottom and top: from the right of the car to its
  // left at the front, the other way at the rear.
  void face_of_front(const Cut& nose) {
    const Integer y = nose.half * 92 / 100;
    const Quad quad{{{nose.x, -y, nose.bottom},
                     {nose.x, y, nose.bottom},
                     {nose.x, y, nose.top},
                     {nose.x, -y, nose.top}}};
    solid.decal(quad, {30, 270}, {560, 900}, kLamp);
    solid.decal(quad, {730, 970}, {560, 900}, kLamp);
    solid.decal(quad, {310, 690}, {420, 880}, kDark);
    solid.decal(quad, {0, 1000}, {0, 250}, kDark);
  }

  void face_of_rear(const Cut& end) {
    const Integer y = end.half * 92 / 100;
    const Quad quad{{{end.x, y, end.bottom},
                     {end.x, -y, end.bottom},
                     {end.x, -y, end.top},
                     {end.x, y, end.top}}};
    solid.decal(quad, {20, 180}, {450, 940}, kRearLamp);
    solid.decal(quad, {820, 980}, {450, 940}, kRearLamp);
    solid.decal(quad, {370, 630}, {420, 640}, kPlate);
    solid.decal(quad, {0, 1000}, {0, 180}, kDark);
  }

  void cabin() {
    const Integer foot = half * 91 / 100;
    const Integer top = foot - shape.inset;
    const Integer roof = belt + shape.cabin;
    const Integer screen_top = screen_foot - shape.windscreen;
    const Integer rear_top = std::min(rear_foot + shape.rear_window, screen_top - 500);
    const Ring base{{screen_foot, -foot, belt - 30},
                    {screen_foot, foot, belt - 30},
                    {rear_foot, foot, belt - 30},
                    {rear_foot, -foot, belt - 30}};
    const Ring edge{{screen_top, -top, roof - 40},
                    {screen_top, top, roof - 40},
                    {rear_top, top, roof - 40},
                    {rear_top, -top, roof - 40}};
    const Integer round = 110;
    const Ring crown{{screen_top - round, -top + round, roof},
                     {screen_top - round, top - round, roof},
                     {rear_top + round, top - round, roof},
                     {rear_top + round, -top + round, roof}};
    solid.loft({base, edge}, {shape.paint}, kDark, shape.roof);
    solid.loft({edge, crown}, {shape.roof}, kDark, shape.roof);
    const auto side = [&](std::size_t i) {
      const std::size_t next = (i + 1) % 4;
      return Quad{base[i], base[next], edge[next], edge[i]};
    };
    solid.decal(side(0), {50, 950}, {90, 950}, kGlass);
    solid.decal(side(2), {110, 890}, {300, 930}, kGlass);
    windows(side(1), true);
    windows(side(3), false);
  }

  // One side has a front and a rear window with a pillar between; a van's rear is closed.
  void windows(const Quad& quad, bool front_first) {
    const auto window = [&](Integer from, Integer to) {  // from the front, of 1000
      const std::array<Integer, 2> along =
          front_first ? std::array{from, to} : std::array{1000 - to, 1000 - from};
      solid.decal(quad, along, {150, 900}, kGlass);
    };
    if (shape.body == CarShape::Body::kPickup) {
      window(90, 900);
    } else if (shape.body == CarShape::Body::kVan) {
      window(60, 340);
    } else {
      window(80, 480);
      window(530, 920);
    }
  }

  void wheels() {
    const Integer forward = front - shape.length * 19 / 100;
    const Integer rearward = -front + shape.length * 19 / 100;
    for (const Integer x : {forward, rearward}) {
      wheel(x, half - 190, half + 12);
      wheel(x, -half - 12, -half + 190);
    }
  }

  void wheel(Integer x, Integer from, Integer to) {
    const auto disc = [&](Integer y, Integer radius) {
      // Cosines of multiples of 22.5 degrees, of 1000.
      constexpr std::array<Integer, 16> kCosines{1000,  924,  707,  383,  0, -383, -707, -924,
                                                 -1000, -924, -707, -383, 0, 383,  707,  924};
      Ring ring;
      for (std::size_t i = 0; i < kCosines.size(); ++i) {
        // Counter-clockwise from +y: z turns towards x.
        ring.push_back({x + radius * kCosines[(i + 12) % 16] / 1000, y,
                        shape.wheel + radius * kCosines[i] / 1000});
      }
      return ring;
    };
    solid.loft({disc(from, shape.wheel), disc(to, shape.wheel)}, {kTyre}, kTyre, kTyre);
    const Integer rim = shape.wheel * 62 / 100;
    Ring inner = disc(from, rim);
    std::reverse(inner.begin(), inner.end());
    solid.polygon(from < 0 ? inner : disc(to, rim), shape.rims, Face::Kind::kDecal);
  }

  void spoiler() {
    const Integer x = -front + 70;
    const Integer y = half * 85 / 100;
    const Integer z = shape.tail + 130;
    const Ring low{{x + 260, -y, z}, {x + 260, y, z}, {x, y, z + 40}, {x, -y, z + 40}};
    Ring high = low;
    for (SolidPoint& point : high) point.z += 50;
    solid.loft({low, high}, {shape.paint}, kDark, shape.paint);
    for (const Integer side : {-y + 40, y - 100}) {
      const Ring foot{{x + 180, side, z - 150},
                      {x + 180, side + 60, z - 150},
                      {x + 80, side + 60, z - 150},
                      {x + 80, side, z - 150}};
      Ring top = foot;
      for (SolidPoint& point : top) point.z += 180;
      solid.loft({foot, top}, {kDark}, kDark, kDark);
    }
  }
};

}  // namespace

CarShape car_shape(std::uint64_t seed, std::int64_t model) {
  Draws draws(seed, model);
  CarShape shape;
  shape.length = draws.from(3700, 5100);
  shape.width = draws.from(1600, 1950);
  shape.clearance = draws.from(160, 320);
  shape.belt = draws.from(820, 1020);
  shape.nose = draws.from(600, 780);
  shape.tail = draws.from(740, 820);
  shape.bonnet = shape.length * draws.from(220, 310) / 1000;
  shape.inset = draws.from(80, 200);
  shape.wheel = draws.from(280, 380);
  shape.spoiler = draws.one_in(4);
  draw_body(shape, draws);
  draw_colours(shape, draws);
  shape.spoiler = shape.spoiler && shape.body == CarShape::Body::kSaloon;
  return shape;
}

std::vector<Face> car_solid(const CarShape& shape) {
  Builder builder{.shape = shape, .solid = {}};
  builder.ground_shadow();
  builder.body();
  builder.cabin();
  builder.wheels();
  if (shape.spoiler) builder.spoiler();
  return builder.solid.take();
}

void render_car(std::uint64_t seed, std::int64_t model, const View& view, int size,
                std::span<std::uint8_t> pixels) {
  render(car_solid(car_shape(seed, model)), view, size, pixels);
}

}  // namespace elbow
