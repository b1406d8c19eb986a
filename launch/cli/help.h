// What the program says about its own command line.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace elbow {

// Help in which a sub-command is listed with the first clause of its description.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter();
  std::string make_subcommand(const CLI::App* command) const override;
};

// What is wrong with a command line that `program` refused with `error`: the word that is wrong,
// the nearest valid one, and where to read more.
std::string usage_problem(const CLI::App& program, const CLI::ParseError& error);

}  // namespace elbow
