#include "tests/faults/fuzz/mutants.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <random>

namespace elbow {
namespace {

using Random = std::mt19937_64;

constexpr std::size_t kEnd = 2048;  // bytes at an end of a file that are edited more often
constexpr std::array<std::uint64_t, 12> kNumbers = {
    0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1ULL << 40, ~0ULL >> 1, ~0ULL};
constexpr std::array<const char*, 16> kWords = {
    "null", "true", "-1", "0",  "1e999", "\"\"", "{}",       "[]",
    "[[[[", "}",    "\"", "\n", "nan",   ",",    "\xff\xfe", "18446744073709551616"};

std::uint64_t below(Random& random, std::uint64_t limit) {
  return limit == 0 ? 0 : random() % limit;
}

std::size_t place(Random& random, std::size_t size) {
  const std::size_t end = std::min(size, kEnd);
  switch (below(random, 4)) {
    case 0:
      return below(random, size);
    case 1:
      return size - end + below(random, end);
    default:
      return below(random, end);
  }
}

// Of at most `most` bytes from a place on, short ones being frequent.
std::size_t length(Random& random, std::size_t most) {
  return std::min<std::size_t>(most, 1 + below(random, 1ULL << below(random, 12)));
}

void put_number(Random& random, std::string& bytes, std::size_t at) {
  const std::size_t width = std::size_t{1} << below(random, 4);
  const bool big_endian = below(random, 2) == 1;
  std::uint64_t value = kNumbers[below(random, kNumbers.size())];
  if (below(random, 4) == 0) value += below(random, 16) - 8;
  for (std::size_t i = 0; i < width && at + i < bytes.size(); ++i) {
    const std::size_t shift = 8 * (big_endian ? width - 1 - i : i);
    bytes[at + i] = static_cast<char>(value >> shift);
  }
}

// The number written out that comes next becomes another.
void put_digits(Random& random, std::string& bytes, std::size_t at) {
  const auto is_digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  const auto first =
      std::find_if(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), is_digit);
  const auto last = std::find_if_not(first, bytes.end(), is_digit);
  if (first == bytes.end()) return;
  std::string number = std::to_string(kNumbers[below(random, kNumbers.size())]);
  if (below(random, 3) == 0) number = "-" + number;
  bytes.replace(first, last, number);
}

void edit(Random& random, std::string& bytes) {
  if (bytes.empty()) bytes = "0";
  const std::size_t at = place(random, bytes.size());
  const std::size_t count = length(random, bytes.size() - at);
  switch (below(random, 12)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(random, 8)));
      break;
    case 1:
      bytes[at] = static_cast<char>(random());
      break;
    case 2:
    case 3:
      put_number(random, bytes, at);
      break;
    case 4:
      put_digits(random, bytes, at);
      break;
    case 5:
      bytes.resize(at);
      break;
    case 6:
      bytes.erase(at, count);
      break;
    case 7:
      bytes.insert(place(random, bytes.size()), bytes.substr(at, count));
      break;
    case 8:
      bytes.replace(place(random, bytes.size()), count, bytes.substr(at, count));
      break;
    case 9:
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count,
                  static_cast<char>(below(random, 2) == 0 ? 0 : 0xFF));
      break;
    case 10:
      bytes.insert(at, kWords[below(random, kWords.size())]);
      break;
    default: {
      const std::string word = kWords[below(random, kWords.size())];
      bytes.replace(at, std::min(word.size(), bytes.size() - at), word);
      break;
    }
  }
}

}  // namespace

std::string mutant_of(std::string bytes, std::uint64_t seed) {
  Random random(seed);
  do {
    edit(random, bytes);
  } while (below(random, 2) == 1);
  return bytes;
}

}  // namespace elbow
