#include "base/misspelling.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <vector>

namespace elbow {
namespace {

bool same_letter(char a, char b) {
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

// Letters added, lost, replaced or swapped with their neighbour, whatever their case: the optimal
// string alignment distance. Three rows of its table are kept.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (same_letter(a[i - 1], b[j - 1]) ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1])) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::size_t> misspelling(std::string_view word, std::string_view candidate) {
  constexpr std::size_t kShortest = 3;  // of words in which a letter may be wrong
  const std::size_t most = word.size() < kShortest ? 0 : std::max<std::size_t>(1, word.size() / 3);
  const std::size_t distance = edit_distance(word, candidate);
  if (distance > most) return std::nullopt;
  return distance;
}

}  // namespace elbow
