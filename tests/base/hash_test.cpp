#include "base/hash.h"

#include <string>

#include <gtest/gtest.h>

namespace elbow {
namespace {

// Published by the xxHash project (empty input) and given alike by its ports to other languages.
TEST(Hash, KnownAnswers) {
  EXPECT_EQ(hash_hex(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_hex("abc"), "06b05ab6733a618578af5f94892f3950");
}

TEST(Hash, PiecesDoNotMatter) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * 7919);
  Hash pieces;
  for (std::size_t begin = 0, size = 1; begin < text.size();
       begin += size, size = size * 3 % 1009) {
    pieces.add(std::string_view(text).substr(begin, size));
  }
  EXPECT_EQ(pieces.hex(), hash_hex(text));
}

TEST(Hash, MayGoOnAfterHex) {
  Hash hash;
  hash.add("ab");
  EXPECT_EQ(hash.hex(), hash_hex("ab"));
  hash.add(std::span<const std::byte>());
  hash.add("c");
  EXPECT_EQ(hash.hex(), hash_hex("abc"));
}

TEST(Hash, OneBitChangesIt) {
  std::string text(1000, 'x');
  const std::string before = hash_hex(text);
  text[500] = static_cast<char>(text[500] ^ 1);
  EXPECT_NE(hash_hex(text), before);
}

}  // namespace
}  // namespace elbow
