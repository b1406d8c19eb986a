#include "data/synthetic_import.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "data/data_set.h"
#include "data/synthetic_car.h"
#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using test::TemporaryFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kSize = 64;
using Picture = std::vector<std::uint8_t>;

Picture draw(std::int64_t model, const View& view, std::uint64_t seed = 1, int size = kSize) {
  Picture pixels(static_cast<std::size_t>(size * size * 3));
  render_car(seed, model, view, size, pixels);
  return pixels;
}

struct Box {
  int left = kSize;
  int right = -1;
  int top = kSize;
  int bottom = -1;
  int width() const { return right - left + 1; }
  int height() const { return bottom - top + 1; }
};

// Around all pixels that are not white.
Box silhouette(const Picture& picture) {
  Box box;
  for (int row = 0; row < kSize; ++row) {
    for (int column = 0; column < kSize; ++column) {
      const auto at = static_cast<std::size_t>((row * kSize + column) * 3);
      if (picture[at] == 255 && picture[at + 1] == 255 && picture[at + 2] == 255) continue;
      box.left = std::min(box.left, column);
      box.right = std::max(box.right, column);
      box.top = std::min(box.top, row);
      box.bottom = std::max(box.bottom, row);
    }
  }
  return box;
}

double difference(const Picture& a, const Picture& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

// A square of 1 m that faces the front, 600 mm above the ground like the point looked at: its edge
// is 64 * 1000 / 6000 pixels long at the depth of the origin.
std::vector<Face> square(Colour colour, std::int64_t x, Face::Kind kind = Face::Kind::kSurface) {
  const SolidPoint a{x, -500, 100};
  const SolidPoint b{x, 500, 100};
  const SolidPoint c{x, 500, 1100};
  const SolidPoint d{x, -500, 1100};
  return {{{a, b, c}, colour, kind}, {{a, c, d}, colour, kind}};
}

Picture draw(const std::vector<Face>& faces, const View& view) {
  Picture pixels(kSize * kSize * 3);
  render(faces, view, kSize, pixels);
  return pixels;
}

TEST(Render, PerspectiveOfASquare) {
  for (const std::int64_t x : {-2000, 0, 2000}) {
    const Box box = silhouette(draw(square({0, 0, 0}, x), {0, 0}));
    const double edge = 64.0 * 1000 / 6000 * 14000 / static_cast<double>(14000 - x);
    EXPECT_NEAR(box.width(), edge, 2) << x;
    EXPECT_NEAR(box.height(), edge, 2) << x;
    EXPECT_NEAR(box.left + box.right, kSize - 1, 1) << x;
    EXPECT_NEAR(box.top + box.bottom, kSize - 1, 1) << x;
  }
  // Turned by 60 degrees it is half as wide.
  const Box turned = silhouette(draw(square({0, 0, 0}, 0), {60, 0}));
  EXPECT_NEAR(turned.width(), 64.0 * 500 / 6000, 2);
}

TEST(Render, FacesAreSeenFromTheirFrontAndTheNearerOneWins) {
  const Picture white(kSize * kSize * 3, 255);
  EXPECT_EQ(draw(square({200, 0, 0}, 0), {180, 0}), white);
  EXPECT_EQ(draw(square({200, 0, 0}, 0), {91, 0}), white);
  EXPECT_NE(draw(square({200, 0, 0}, 0), {85, 0}), white);
  const std::size_t centre = (kSize / 2 * kSize + kSize / 2) * 3;
  for (const bool red_first : {false, true}) {
    std::vector<Face> both = square({200, 0, 0}, red_first ? 500 : 0);
    const std::vector<Face> green = square({0, 200, 0}, red_first ? 0 : 500);
    both.insert(both.end(), green.begin(), green.end());
    const Picture picture = draw(both, {0, 0});
    EXPECT_EQ(picture[centre] > 0, red_first);
    EXPECT_EQ(picture[centre + 1] > 0, !red_first);
  }
  // In one plane, a decal lies above the surface and a shadow below it, in either order.
  for (const Face::Kind kind : {Face::Kind::kDecal, Face::Kind::kShadow}) {
    std::vector<Face> both = square({0, 200, 0}, 0, kind);
    const std::vector<Face> red = square({200, 0, 0}, 0);
    both.insert(both.end(), red.begin(), red.end());
    EXPECT_EQ(draw(both, {0, 0})[centre] > 0, kind == Face::Kind::kShadow);
  }
}

// The light after Lambert: 45 % of the colour, and 62 % of the cosine between the face's normal
// and the direction to the light, (-7000, 10900, 10050) / 2^14 (right, up, to the camera).
TEST(Render, ShadingFollowsTheCosine) {
  const std::size_t centre = (kSize / 2 * kSize + kSize / 2) * 3;
  for (const double azimuth : {-60.0, -37.5, 0.0, 20.0, 60.0}) {
    for (const double elevation : {0.0, 30.0, 60.0}) {
      // The front's normal in the camera's axes.
      const double a = azimuth * M_PI / 180;
      const double e = elevation * M_PI / 180;
      const double cosine = (-std::sin(a) * -7000 - std::cos(a) * std::sin(e) * 10900 +
                             std::cos(a) * std::cos(e) * 10050) /
                            16384;
      const Picture picture = draw(square({200, 100, 50}, 0), {azimuth, elevation});
      const double light = 0.45 + 0.62 * std::max(0.0, cosine);
      EXPECT_NEAR(picture[centre], std::min(255.0, 200 * light), 1.5) << azimuth << elevation;
      EXPECT_NEAR(picture[centre + 1], 100 * light, 1.5) << azimuth << elevation;
    }
  }
}

// Of a light fixed to the scene, (10281, 8626, 9398) / 2^14, it does not matter from where one
// looks.
TEST(Render, ALightOfTheSceneStaysWhereItIs) {
  const std::size_t centre = (kSize / 2 * kSize + kSize / 2) * 3;
  for (const double azimuth : {-60.0, 0.0, 45.0}) {
    const Picture front = draw(square({200, 100, 50}, 0), {azimuth, 20, Light::kScene});
    EXPECT_NEAR(front[centre], 200 * (0.30 + 0.85 * 12859 / 16384), 1.5) << azimuth;
  }
  std::vector<Face> back = square({200, 100, 50}, 0);
  for (Face& face : back) std::swap(face.corners[1], face.corners[2]);
  EXPECT_NEAR(draw(back, {180, 20, Light::kScene})[centre], 200 * 0.30, 1.5);
}

TEST(Render, TheBackgroundIsGreyAndDarkensShadows) {
  const View view{0, 0, Light::kCamera, 100};
  EXPECT_EQ(draw(square({200, 0, 0}, 0), view)[0], 100);
  const std::size_t centre = (kSize / 2 * kSize + kSize / 2) * 3;
  const Picture shadow = draw(square({204, 153, 51}, 0, Face::Kind::kShadow), view);
  EXPECT_EQ(shadow[centre], 80);
  EXPECT_EQ(shadow[centre + 1], 60);
  EXPECT_EQ(shadow[centre + 2], 20);
}

TEST(Render, BadViewsAndSizesAreRefused) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const View& view : {View{infinity, 0}, View{std::nan(""), 0}, View{0, 90.5},
                           View{0, std::nan("")}, View{0, -infinity}}) {
    EXPECT_THROW(draw(0, view), ConfigError) << view.azimuth << " " << view.elevation;
  }
  Picture pixels(3);
  for (const int size : {0, -64, 7, 513}) {
    EXPECT_THROW(render_car(1, 0, {}, size, pixels), ConfigError) << size;
  }
}

TEST(SyntheticCar, IsAFunctionOfItsArguments) {
  const Picture once = draw(5, {45, 20});
  EXPECT_EQ(draw(5, {45, 20}), once);
  EXPECT_EQ(draw(5, {405, 20}), once);
  EXPECT_EQ(draw(5, {-315, 20}), once);
  EXPECT_NE(draw(6, {45, 20}), once);
  EXPECT_NE(draw(5, {45, 20}, 2), once);
  std::vector<Picture> drawn(4);
  std::vector<std::thread> threads;
  for (Picture& picture : drawn) threads.emplace_back([&] { picture = draw(5, {45, 20}); });
  for (std::thread& thread : threads) thread.join();
  for (const Picture& picture : drawn) EXPECT_EQ(picture, once);
}

// Of 200 models from all sides: a picture's border stays white, a front view is as wide as the car
// and a side view as it is long, in perspective, and higher elevations show more of the roof.
TEST(SyntheticCar, SilhouettesTurnWithTheView) {
  for (std::int64_t model = 0; model < 200; ++model) {
    for (const double azimuth : {0.0, 45.0, 90.0, 120.0, 180.0, 330.0}) {
      const Box box = silhouette(draw(model, {azimuth, 23}));
      EXPECT_GE(std::min(box.left, box.top), 1) << model << " " << azimuth;
      EXPECT_LE(std::max(box.right, box.bottom), kSize - 2) << model << " " << azimuth;
    }
    const CarShape shape = car_shape(1, model);
    const Box front = silhouette(draw(model, {0, 5}));
    const Box side = silhouette(draw(model, {90, 5}));
    // The shadow is widest 310 mm behind the front and reaches 60 mm beyond the sides, 40 mm
    // beyond the ends, these 290 mm within the side.
    const auto pixels = [](std::int64_t length, std::int64_t nearer) {
      return 64.0 * static_cast<double>(length) / 6000 * 14000 /
             static_cast<double>(14000 - nearer);
    };
    EXPECT_NEAR(front.width(), pixels(shape.width + 120, shape.length / 2 - 310), 2) << model;
    EXPECT_NEAR(side.width(), pixels(shape.length + 80, shape.width / 2 - 290), 2) << model;
    EXPECT_GT(silhouette(draw(model, {0, 60})).height(), front.height()) << model;
  }
}

TEST(SyntheticCar, EveryAzimuthLooksDifferent) {
  for (std::int64_t model = 0; model < 20; ++model) {
    std::vector<Picture> around;
    for (int i = 0; i < 24; ++i) around.push_back(draw(model, {i * 15.0, 17}));
    for (std::size_t i = 0; i < around.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        EXPECT_GT(difference(around[i], around[k]), 1.0) << model << " " << i << " " << k;
      }
    }
  }
}

TEST(SyntheticCar, ShapesKeepTheirBoundsAndVary) {
  std::array<int, 4> bodies{};
  int spoilers = 0;
  double length = 0;
  constexpr int kModels = 2000;
  for (std::int64_t model = 0; model < kModels; ++model) {
    const CarShape shape = car_shape(1, model);
    ASSERT_TRUE(shape.length >= 3700 && shape.length <= 5100) << shape.length;
    ASSERT_TRUE(shape.width >= 1600 && shape.width <= 1950) << shape.width;
    ASSERT_TRUE(shape.nose < shape.belt && shape.tail < shape.belt);
    ++bodies[static_cast<std::size_t>(shape.body)];
    spoilers += shape.spoiler ? 1 : 0;
    length += static_cast<double>(shape.length) / kModels;
  }
  // 4 standard errors of frequencies and of a uniform variable's mean, fixed seed.
  const auto near = [](double count, double p) {
    EXPECT_NEAR(count / kModels, p, 4 * std::sqrt(p * (1 - p) / kModels));
  };
  near(bodies[0], 0.5);
  near(bodies[1], 0.3);
  near(bodies[2], 0.1);
  near(bodies[3], 0.1);
  near(spoilers, 0.125);
  EXPECT_NEAR(length, 4400, 4 * 1400 / std::sqrt(12.0 * kModels));
}

class SyntheticImportTest : public testing::Test {
 protected:
  SyntheticImport job() const {
    SyntheticImport import;
    import.output = folder_ / "cars.h5";
    import.models = 3;
    import.azimuths = 6;
    import.elevations = 2;
    import.size = 16;
    return import;
  }
  // The message of a refusal that leaves nothing behind.
  template <typename ErrorType>
  std::string refusal(const SyntheticImport& import) const {
    const std::size_t files = folder_.names().size();
    const std::string message = test::message_of<ErrorType>([&] { import_synthetic(import); });
    EXPECT_EQ(folder_.names().size(), files) << message;
    return message;
  }
  std::vector<double> numbers(const std::string& path) const {
    const DataSet data = DataSet::open({folder_ / path}, RowKind::kLabels);
    std::vector<std::int64_t> rows(static_cast<std::size_t>(data.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(i);
    std::vector<double> values(rows.size() * static_cast<std::size_t>(data.row_elements()));
    data.read(rows, values);
    return values;
  }
  std::string bytes() const {
    std::ifstream file(folder_ / "cars.h5", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TemporaryFolder folder_;
};

TEST_F(SyntheticImportTest, RowsAreInRowMajorOrderOfTheFactors) {
  const std::vector<Imported> written = import_synthetic(job());
  ASSERT_EQ(written.size(), 4U);
  EXPECT_EQ(written[0].path, "/cars/images");
  EXPECT_THAT(written[0].shape, ElementsAre(36, 16, 16, 3));
  EXPECT_EQ(folder_.names().size(), 1U);
  const DataSet images = DataSet::open({folder_ / "cars.h5:/cars/images"});
  EXPECT_TRUE(images.chunked());
  EXPECT_EQ(images.stored_type(), "uint8");
  const std::vector<double> labels = numbers("cars.h5:/cars/labels");
  const std::vector<double> factors = numbers("cars.h5:/cars/factors");
  const std::vector<double> models = numbers("cars.h5:/cars/model_labels");
  std::size_t row = 0;
  for (int model = 0; model < 3; ++model) {
    for (int azimuth = 0; azimuth < 6; ++azimuth) {
      for (int elevation = 0; elevation < 2; ++elevation, ++row) {
        EXPECT_THAT(std::vector(labels.begin() + 3 * row, labels.begin() + 3 * row + 3),
                    ElementsAre(model, azimuth, elevation));
        EXPECT_THAT(std::vector(factors.begin() + 3 * row, factors.begin() + 3 * row + 3),
                    ElementsAre(model, 60 * azimuth, 5 + 36 * elevation));
        EXPECT_EQ(models[row], model);
        Picture stored(16 * 16 * 3);
        const std::vector<std::int64_t> index{static_cast<std::int64_t>(row)};
        images.read(index, reinterpret_cast<std::byte*>(stored.data()));
        EXPECT_EQ(stored, draw(model, {60.0 * azimuth, 5.0 + 36 * elevation}, 1, 16));
      }
    }
  }
  EXPECT_EQ(row, 36U);
}

// More than one block of rows, and a size that chunks don't divide.
TEST_F(SyntheticImportTest, ManyRows) {
  SyntheticImport import = job();
  import.models = 40;
  import.azimuths = 7;
  import.size = 90;
  import_synthetic(import);
  const DataSet images = DataSet::open({folder_ / "cars.h5:/cars/images"});
  ASSERT_EQ(images.size(), 560);
  for (const std::int64_t row : {std::int64_t{0}, std::int64_t{171}, std::int64_t{172},
                                 std::int64_t{173}, std::int64_t{559}}) {
    Picture stored(90 * 90 * 3);
    images.read(std::vector{row}, reinterpret_cast<std::byte*>(stored.data()));
    const View view = synthetic_view(import, row / 2 % 7, row % 2);
    EXPECT_EQ(stored, draw(row / 14, view, 1, 90)) << row;
  }
}

TEST_F(SyntheticImportTest, TheSameFileTwice) {
  import_synthetic(job());
  const std::string first = bytes();
  std::filesystem::remove(folder_ / "cars.h5");
  import_synthetic(job());
  EXPECT_EQ(bytes(), first);
}

TEST_F(SyntheticImportTest, LightAndBackgroundAreThoseAskedFor) {
  SyntheticImport import = job();
  import.light = Light::kScene;
  import.background = 90;
  import_synthetic(import);
  const DataSet images = DataSet::open({folder_ / "cars.h5:/cars/images"});
  Picture stored(16 * 16 * 3);
  images.read(std::vector{std::int64_t{7}}, reinterpret_cast<std::byte*>(stored.data()));
  EXPECT_EQ(stored, draw(0, {180, 41, Light::kScene, 90}, 1, 16));
  EXPECT_NE(stored, draw(0, {180, 41}, 1, 16));
}

TEST_F(SyntheticImportTest, OneElevationIsInTheMiddle) {
  SyntheticImport import = job();
  import.elevations = 1;
  EXPECT_EQ(synthetic_view(import, 1, 0).elevation, 23);
  EXPECT_EQ(synthetic_view(import, 1, 0).azimuth, 60);
}

TEST_F(SyntheticImportTest, GroupsAreAddedAndReplacedOnRequestOnly) {
  import_synthetic(job());
  SyntheticImport other = job();
  other.seed = 2;
  EXPECT_THAT(refusal<DataError>(other), AllOf(HasSubstr("/cars already"), HasSubstr("--replace")));
  const std::vector<double> before = numbers("cars.h5:/cars/images");
  other.group = "others";
  import_synthetic(other);
  EXPECT_EQ(numbers("cars.h5:/cars/images"), before);
  EXPECT_NE(numbers("cars.h5:/others/images"), before);
  other.group = "cars";
  other.replace = true;
  import_synthetic(other);
  EXPECT_EQ(numbers("cars.h5:/cars/images"), numbers("cars.h5:/others/images"));
  EXPECT_EQ(folder_.names().size(), 1U);
}

TEST_F(SyntheticImportTest, BadInput) {
  const auto counts = [&](auto member, std::int64_t value) {
    SyntheticImport import = job();
    import.*member = value;
    return refusal<ConfigError>(import);
  };
  EXPECT_THAT(counts(&SyntheticImport::models, 0), HasSubstr("--models 0 must be from 1"));
  EXPECT_THAT(counts(&SyntheticImport::models, 100001), HasSubstr("--models"));
  EXPECT_THAT(counts(&SyntheticImport::azimuths, -1), HasSubstr("--azimuths"));
  EXPECT_THAT(counts(&SyntheticImport::elevations, 91), HasSubstr("--elevations"));
  EXPECT_THAT(counts(&SyntheticImport::size, 7), HasSubstr("--size 7 must be from 8 to 512"));
  EXPECT_THAT(counts(&SyntheticImport::background, 256), HasSubstr("--background 256"));
  SyntheticImport import = job();
  import.group = "../x";
  EXPECT_THAT(refusal<ConfigError>(import), HasSubstr("cannot name a group"));
  import = job();
  import.output = folder_.path() / "no" / "folder.h5";
  EXPECT_THAT(refusal<Error>(import), HasSubstr("folder.h5"));
  std::ofstream(folder_ / "cars.h5") << "precious";
  EXPECT_THAT(refusal<DataError>(job()), HasSubstr("not an HDF5 file"));
  EXPECT_EQ(bytes(), "precious");
}

}  // namespace
}  // namespace elbow
