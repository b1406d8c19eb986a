#include "launch/cli/help.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "base/other_names.h"
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

// "elbow data import"
std::string command_text(const CLI::App& app) {
  if (app.get_parent() == nullptr) return app.get_name();
  return command_text(*app.get_parent()) + " " + app.get_name();
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back(name);
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
  const std::vector<std::string> names = option_names(app);
  std::vector<Meaning> meanings;
  for (const auto& own : names) meanings.push_back({own, own});
  for (const Meaning& meaning : other_names()) {
    if (std::find(names.begin(), names.end(), meaning.meant) != names.end()) {
      meanings.push_back(meaning);
    }
  }
  const std::string near =
      nearest_meaning(name.substr(std::min(name.find_first_not_of('-'), name.size())), meanings);
  return fmt::format("{} has no option '{}'{}", command_text(app), name,
                     near.empty() ? "" : fmt::format("; did you mean '--{}'?", near));
}

std::string unexpected_word(const std::string& word, const CLI::App& app) {
  const auto commands = subcommand_names(app);
  if (commands.empty()) return fmt::format("{} does not take '{}'", command_text(app), word);
  const auto chosen = app.get_subcommands();
  if (!chosen.empty() && std::find(commands.begin(), commands.end(), word) != commands.end()) {
    return fmt::format("{} does not take '{}'", command_text(*chosen.front()), word);
  }
  return fmt::format("{} has no sub-command '{}'; {}", command_text(app), word,
                     suggestion(word, commands));
}

// The command whose words were not all understood, the outermost of them; else the innermost.
const CLI::App& refusing(const CLI::App& program) {
  const CLI::App* app = &program;
  while (app->remaining().empty() && !app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
  }
  return *app;
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

void set_up_parsing(CLI::App& program) {
  program.name("elbow");
  program.formatter(std::make_shared<HelpFormatter>());
  program.require_subcommand(1);
  program.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

std::vector<std::string> reversed_words(int argc, const char* const* argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  std::reverse(words.begin(), words.end());
  return words;
}

std::string usage_problem(const CLI::App& program, const CLI::ParseError& error) {
  const CLI::App& app = refusing(program);
  const bool asked_for_help = error.get_exit_code() == 0;
  if (asked_for_help && app.remaining().empty()) return "";
  return fmt::format("{}\n'{} --help' says more", problem(app, error), command_text(app));
}

}  // namespace elbow
