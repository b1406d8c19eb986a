// What the program says about its own command line.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace elbow {

// Help in which a sub-command is listed with the first clause of its description.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter();
  std::string make_subcommand(const CLI::App* command) const override;
};

// What the program's command lines have in common: an option that is given again counts as given
// last, and one of the sub-commands is needed. Before options and sub-commands are added, which
// inherit it.
void set_up_parsing(CLI::App& program);

// The words of a command line in the order that CLI::App::parse() takes, the last one first.
// "help train" asks for what "train --help" does.
std::vector<std::string> reversed_words(int argc, const char* const* argv);

// What is wrong with a command line that `program` refused with `error`: the word that is wrong,
// the nearest valid one, and where to read more; "" where nothing is, and help was asked for.
std::string usage_problem(const CLI::App& program, const CLI::ParseError& error);

}  // namespace elbow
