// What options are called in other programs of the field. They are no names here, but a hint
// follows: "lr" is told "did you mean 'optimizer.rate'?".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace elbow {

// A name, and what is meant by it: {"lr", "optimizer.rate"}.
struct Meaning {
  std::string name;
  std::string meant;
};

// What options are called elsewhere: those of the configuration, by their keys, and those that
// commands have beside it.
const std::vector<Meaning>& other_names();

// What was probably meant by a name that is none: a known one, or nearly so, with or without the
// right group before it ("GROUP.NAME"). Words count, not letters alone: "training.lr" is no
// misspelling of "training.sum". '-' and '_' are the same, and so are capitals. "" where nothing is
// near.
std::string nearest_meaning(std::string_view name, const std::vector<Meaning>& known);

}  // namespace elbow
