#include "monitoring/image.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "tests/base/full_disk.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

Image gradient(int width, int height, int channels) {
  Image image{width, height, channels, {}};
  for (int i = 0; i < width * height * channels; ++i) {
    image.pixels.push_back(static_cast<std::uint8_t>(i * 37 % 256));
  }
  return image;
}

std::uint8_t at(const Image& image, int x, int y, int channel = 0) {
  return image.pixels.at(
      static_cast<std::size_t>((y * image.width + x) * image.channels + channel));
}

TEST(Png, ReadsBackAsWritten) {
  const TemporaryFolder folder;
  for (const int channels : {1, 3}) {
    for (const auto& [width, height] : {std::pair{1, 1}, std::pair{28, 28}, std::pair{301, 7}}) {
      const Image image = gradient(width, height, channels);
      write_png(folder / "image.png", image);
      const Image read = read_png(folder / "image.png");
      EXPECT_EQ(read.width, width);
      EXPECT_EQ(read.height, height);
      EXPECT_EQ(read.channels, channels);
      EXPECT_EQ(read.pixels, image.pixels);
    }
  }
  EXPECT_THAT(folder.names(), UnorderedElementsAre("image.png"));
}

// The chunks that every PNG has, checked by hand: signature, then IHDR with the size, big-endian.
TEST(Png, IsAPng) {
  const TemporaryFolder folder;
  write_png(folder / "image.png", gradient(258, 3, 1));
  const std::string bytes = read_file(folder / "image.png", 1 << 20);
  const std::string start("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\x02\0\0\0\x03\x08\0\0\0\0", 29);
  EXPECT_EQ(bytes.substr(0, start.size()), start);
  EXPECT_EQ(bytes.substr(bytes.size() - 8, 4), "IEND");
}

TEST(Png, SameImageSameBytes) {
  const TemporaryFolder folder;
  write_png(folder / "a.png", gradient(100, 50, 3));
  write_png(folder / "b.png", gradient(100, 50, 3));
  EXPECT_EQ(read_file(folder / "a.png", 1 << 20), read_file(folder / "b.png", 1 << 20));
}

TEST(Png, ErrorsNameTheFile) {
  const TemporaryFolder folder;
  const auto path = folder / "image.png";
  auto message = [&](auto&& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "(no error)";
  };
  write_file_atomically(path, "not a picture");
  EXPECT_THAT(message([&] { read_png(path); }), HasSubstr(path.string()));
  write_png(path, gradient(60, 60, 1));
  std::string bytes = read_file(path, 1 << 20);
  write_file_atomically(path, std::string_view(bytes).substr(0, bytes.size() / 2));
  EXPECT_THAT(message([&] { read_png(path); }), HasSubstr(path.string()));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file_atomically(path, bytes);
  EXPECT_THAT(message([&] { read_png(path); }), HasSubstr(path.string()));
  EXPECT_THAT(message([&] { write_png(folder / "none" / "image.png", gradient(2, 2, 1)); }),
              HasSubstr("No such file or directory"));
  EXPECT_THAT(message([&] {
                write_png(path, Image{2, 2, 1, {0, 0, 0}});
              }),
              HasSubstr("cannot have 3 values"));
  EXPECT_THAT(message([&] { write_png(path, Image{1, 1, 2, {0, 0}}); }), HasSubstr("2 channels"));
}

TEST(Png, FullDiskLeavesNothing) {
  const TemporaryFolder folder;
  {
    const FullDisk full(20);
    EXPECT_THROW(write_png(folder / "image.png", gradient(60, 60, 3)), Error);
  }
  EXPECT_TRUE(folder.names().empty());
}

TEST(Grid, PlacesCellsInRows) {
  const std::vector<Image> cells = {{2, 1, 1, {10, 11}}, {2, 1, 1, {20, 21}}, {2, 1, 1, {30, 31}}};
  const Image sheet = grid(cells, {.columns = 2, .padding = 1, .background = 200, .scale = 1});
  EXPECT_EQ(sheet.width, 7);
  EXPECT_EQ(sheet.height, 5);
  EXPECT_EQ(sheet.channels, 1);
  const std::vector<std::uint8_t> expected = {200, 200, 200, 200, 200, 200, 200,  //
                                              200, 10,  11,  200, 20,  21,  200,  //
                                              200, 200, 200, 200, 200, 200, 200,  //
                                              200, 30,  31,  200, 200, 200, 200,  //
                                              200, 200, 200, 200, 200, 200, 200};
  EXPECT_EQ(sheet.pixels, expected);
}

TEST(Grid, PixelsBecomeSquares) {
  const Image cell = gradient(3, 2, 3);
  const Image sheet = grid(std::span(&cell, 1), {.columns = 1, .padding = 0, .scale = 4});
  ASSERT_EQ(sheet.width, 12);
  ASSERT_EQ(sheet.height, 8);
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 12; ++x) {
      for (int c = 0; c < 3; ++c) EXPECT_EQ(at(sheet, x, y, c), at(cell, x / 4, y / 4, c));
    }
  }
}

TEST(Grid, SmallImagesBecomeVisible) {
  const std::vector<Image> cells(100, gradient(28, 28, 1));
  const Image sheet = grid(cells, {});
  EXPECT_GE(sheet.width, 600);
  EXPECT_LT(sheet.width, 600 + 28 * 10);
  const std::vector<Image> large(4, gradient(400, 300, 1));
  EXPECT_EQ(grid(large, {.columns = 2, .padding = 0}).width, 800);
}

TEST(Grid, RefusesCellsThatDisagree) {
  EXPECT_THROW(grid({}, {}), Error);
  const std::vector<Image> sizes = {gradient(2, 2, 1), gradient(2, 3, 1)};
  EXPECT_THROW(grid(sizes, {}), Error);
  const std::vector<Image> channels = {gradient(2, 2, 1), gradient(2, 2, 3)};
  EXPECT_THROW(grid(channels, {}), Error);
  const std::vector<Image> broken = {Image{2, 2, 1, {1, 2}}};
  EXPECT_THROW(grid(broken, {}), Error);
  const std::vector<Image> fine = {gradient(2, 2, 1)};
  EXPECT_THROW(grid(fine, {.columns = 0}), Error);
  EXPECT_THROW(grid(fine, {.scale = 1 << 20}), Error);
}

}  // namespace
}  // namespace elbow
