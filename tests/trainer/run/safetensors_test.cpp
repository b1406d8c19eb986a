#include "trainer/run/safetensors.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

// A file with this header, its length before it, and `bytes` of values.
void write_raw(const std::filesystem::path& path, const std::string& header, std::size_t bytes,
               std::int64_t claimed_length = -1) {
  std::ofstream file(path, std::ios::binary);
  auto length = static_cast<std::uint64_t>(claimed_length < 0 ? header.size() : claimed_length);
  for (int i = 0; i < 8; ++i) file.put(static_cast<char>(length >> (8 * i)));
  file << header << std::string(bytes, '\1');
}

class Safetensors : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "x.safetensors";
};

TEST_F(Safetensors, RoundTripsEveryTypeAndShape) {
  const NamedTensors tensors = {{"a.weight", torch::rand({3, 5})},
                                {"b", torch::rand({2}, torch::kDouble)},
                                {"counts", torch::arange(7, torch::kLong)},
                                {"bytes", torch::arange(5, torch::kByte)},
                                {"scalar", torch::tensor(2.5F)},
                                {"empty", torch::zeros({0, 4})}};
  save_safetensors(path_, tensors, {{"format", "pt"}});
  const NamedTensors loaded = load_safetensors(path_);
  ASSERT_EQ(loaded.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(loaded.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(torch::equal(loaded.at(name), tensor)) << name;
  }
}

// The layout of the format, byte by byte, for two small tensors.
TEST_F(Safetensors, WritesTheFormat) {
  std::string written;
  write_safetensors([&](std::string_view bytes) { written += bytes; },
                    {{"a", torch::tensor({1.0F})}, {"b", torch::tensor({1, 2}, torch::kByte)}});
  std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                       R"("b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string expected(8, '\0');
  expected[0] = static_cast<char>(header.size());
  expected += header + std::string("\0\0\x80\x3f\1\2", 6);
  EXPECT_EQ(written, expected);
}

// What a flipped bit leaves readable is what was written: it lay in what the metadata say beside.
TEST_F(Safetensors, NoFlippedBitChangesWhatIsRead) {
  const NamedTensors tensors = {{"a", torch::rand({3})}, {"b", torch::arange(2, torch::kLong)}};
  save_safetensors(path_, tensors, {{"format", "pt"}});
  const std::string whole = read_file(path_, 1 << 20);
  const std::size_t values = whole.size() - 3 * 4 - 2 * 8;
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    std::ofstream(path_, std::ios::binary) << flipped;
    NamedTensors loaded;
    try {
      loaded = load_safetensors(path_);
    } catch (const CheckpointError&) {
      continue;
    }
    EXPECT_LT(bit / 8, values) << "a number was changed";
    for (const auto& [name, tensor] : tensors) {
      EXPECT_TRUE(loaded.contains(name) && torch::equal(loaded.at(name), tensor)) << bit;
    }
  }
}

TEST_F(Safetensors, TransposedTensorsAreWrittenInOrder) {
  const torch::Tensor matrix = torch::arange(6, torch::kFloat).view({2, 3}).t();
  save_safetensors(path_, {{"m", matrix}}, {});
  EXPECT_TRUE(torch::equal(load_safetensors(path_).at("m"), matrix));
}

TEST_F(Safetensors, EveryTruncationIsRefused) {
  save_safetensors(path_, {{"a", torch::rand({3})}, {"b", torch::rand({2, 2})}}, {});
  const std::string whole = read_file(path_, 1 << 20);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    std::ofstream(path_, std::ios::binary) << whole.substr(0, length);
    EXPECT_THROW(load_safetensors(path_), CheckpointError) << length << " bytes";
  }
}

struct BadFile {
  const char* name;
  const char* header;
  std::size_t bytes;
  const char* message;
};

class BadSafetensors : public Safetensors, public testing::WithParamInterface<BadFile> {};

TEST_P(BadSafetensors, IsRefusedWithTheReason) {
  write_raw(path_, GetParam().header, GetParam().bytes);
  try {
    load_safetensors(path_);
    FAIL() << "it was loaded";
  } catch (const CheckpointError& error) {
    EXPECT_NE(std::string(error.what()).find(GetParam().message), std::string::npos)
        << error.what();
    EXPECT_NE(std::string(error.what()).find(path_.string()), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, BadSafetensors,
    testing::Values(
        BadFile{"NotJson", "{nonsense", 0, "parse error"},
        BadFile{"NotAnObject", R"([1,2])", 0, "not a valid safetensors file"},
        BadFile{"UnknownType", R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", 4,
                "type 'F99'"},
        BadFile{"NoShape", R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "shape"},
        BadFile{"HugeShape",
                R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}})", 4,
                "impossible shape"},
        BadFile{"NegativeShape", R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4,
                "impossible shape"},
        BadFile{"EmptyAndNegative", R"({"a":{"dtype":"F32","shape":[0,-1],"data_offsets":[0,0]}})",
                0, "impossible shape"},
        BadFile{"FractionalOffset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1.5]}})", 1,
                "impossible offsets"},
        BadFile{
            "ManyAxes",
            R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})",
            1, "too many axes"},
        BadFile{"BeyondTheEnd", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4,
                "larger than the file"},
        BadFile{"WrongSize", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,3]}})", 4,
                "don't fit its shape"},
        BadFile{"Backwards", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4,
                "don't fit its shape"},
        BadFile{"Gap", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})", 4, "gaps"},
        BadFile{
            "Overlap",
            R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
            2, "another tensor lies"},
        BadFile{"Trailing", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 3,
                "more bytes"}),
    [](const auto& info) { return info.param.name; });

TEST_F(Safetensors, HeaderLengthIsNotBelieved) {
  write_raw(path_, "{}", 0, std::int64_t{1} << 60);
  EXPECT_THROW(load_safetensors(path_), CheckpointError);
}

TEST_F(Safetensors, MissingFileIsNamed) {
  try {
    load_safetensors(folder_ / "absent.safetensors");
    FAIL() << "it was loaded";
  } catch (const CheckpointError& error) {
    EXPECT_NE(std::string(error.what()).find("absent.safetensors: no such file"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace elbow
