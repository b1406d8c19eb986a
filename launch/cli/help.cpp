#include "launch/cli/help.h"

#include <algorithm>
#include <iomanip>
#include <sstream>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace elbow {
namespace {

constexpr std::size_t kNameColumn = 32;

// Up to the first colon or full stop.
std::string first_clause(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool last = i + 1 == text.size() || text[i + 1] == ' ';
    if (last && (text[i] == '.' || text[i] == ':')) return text.substr(0, i);
  }
  return text;
}

// The sub-command that was given, however deep.
const CLI::App& innermost(const CLI::App& program) {
  const CLI::App* app = &program;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return *app;
}

// "elbow data import"
std::string command_text(const CLI::App& app) {
  if (app.get_parent() == nullptr) return app.get_name();
  return command_text(*app.get_parent()) + " " + app.get_name();
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> subcommand_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::string unknown_option(const std::string& given, const CLI::App& app) {
  const std::string name = given.substr(0, given.find('='));
  const std::string near = nearest(name, option_names(app));
  return fmt::format("{} has no option '{}'{}", command_text(app), name,
                     near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

std::string unexpected_word(const std::string& word, const CLI::App& app) {
  const auto commands = subcommand_names(app);
  if (commands.empty()) return fmt::format("{} does not take '{}'", command_text(app), word);
  return fmt::format("{} has no sub-command '{}'; {}", command_text(app), word,
                     suggestion(word, commands));
}

std::string problem(const CLI::App& app, const CLI::ParseError& error) {
  const auto left_over = app.remaining();
  if (!left_over.empty()) {
    const std::string& word = left_over.front();
    return word.starts_with('-') ? unknown_option(word, app) : unexpected_word(word, app);
  }
  const auto commands = subcommand_names(app);
  if (error.get_name() == "RequiredError" && !commands.empty()) {
    return fmt::format("{} needs a sub-command: {}", command_text(app), join(commands, ", "));
  }
  return error.what();
}

}  // namespace

HelpFormatter::HelpFormatter() { column_width(kNameColumn); }

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return fmt::format("  {:<{}}{}\n", command->get_name(), kNameColumn - 2,
                     first_clause(command->get_description()));
}

std::string usage_problem(const CLI::App& program, const CLI::ParseError& error) {
  const CLI::App& app = innermost(program);
  return fmt::format("{}\n'{} --help' says more", problem(app, error), command_text(app));
}

}  // namespace elbow
