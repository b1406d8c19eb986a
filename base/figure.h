// What a number is that a program reports.
#pragma once

#include <string>

namespace elbow {

// Declared once, by whoever computes the figure. What travels is a row of numbers, one for each
// declaration and in that order: sums, files, metrics and the line on a terminal go through the
// declarations, and know no figure by name.
struct FigureKind {
  std::string name;    // in files and labels: "kl"
  std::string title;   // for a person: "KL"
  std::string unit;    // "nats", which stands for nats per sample
  bool brief = false;  // shown as well where there is room for little
};

}  // namespace elbow
