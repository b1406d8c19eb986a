#include "base/options.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/other_names.h"
#include "base/text.h"

extern "C" char** environ;

namespace elbow {
namespace {

constexpr std::size_t kLargestConfiguration = 1 << 20;
constexpr std::string_view kEnvironmentPrefix = "ELBOW_";

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

// How a number is written so that it reads back as the same double, and as a float in TOML.
std::string number_toml(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string text_toml(const std::string& value) {
  const toml::value<std::string> node(value);
  std::ostringstream stream;
  stream << toml::toml_formatter(node, toml::format_flags::none);
  return stream.str();
}

[[noreturn]] void refuse(const Option& option, const std::string& origin,
                         const std::string& problem) {
  throw ConfigError(fmt::format("option {} (from {}): {}", option.key, origin, problem));
}

void check_number(const Option& option, const std::string& origin, double value) {
  if (!option.number_check) return;
  const std::string problem = option.number_check(value);
  if (!problem.empty()) refuse(option, origin, fmt::format("{} {}", value, problem));
}

void check_text(const Option& option, const std::string& origin, const std::string& value) {
  if (!option.text_check) return;
  const std::string problem = option.text_check(value);
  if (!problem.empty()) refuse(option, origin, fmt::format("'{}' {}", value, problem));
}

[[noreturn]] void refuse_type(const Option& option, const std::string& origin,
                              const std::string& given) {
  refuse(option, origin, fmt::format("{} is not {}", given, option.type_text()));
}

// A value as it was written, before the option's type is known: text, and whether it was quoted
// (a number in quotes is text, not a number).
struct Written {
  std::string text;
  enum class Form { kPlain, kQuoted, kInteger, kFloat, kBoolean } form = Form::kPlain;
};

bool is(const Written& value, std::initializer_list<Written::Form> forms) {
  return value.form == Written::Form::kPlain ||
         std::find(forms.begin(), forms.end(), value.form) != forms.end();
}

using Form = Written::Form;

bool parse_boolean(const Option& option, const std::string& origin, const Written& value) {
  if (is(value, {Form::kBoolean})) {
    if (value.text == "true" || value.text == "yes" || value.text == "1") return true;
    if (value.text == "false" || value.text == "no" || value.text == "0") return false;
  }
  refuse_type(option, origin, fmt::format("'{}'", value.text));
}

std::int64_t parse_integer(const Option& option, const std::string& origin, const Written& value) {
  std::int64_t number = 0;
  if (!is(value, {Form::kInteger}) || !parse_number(value.text, number)) {
    refuse_type(option, origin, fmt::format("'{}'", value.text));
  }
  check_number(option, origin, static_cast<double>(number));
  return number;
}

double parse_real(const Option& option, const std::string& origin, const Written& value) {
  double number = 0;
  if (!is(value, {Form::kInteger, Form::kFloat}) || !parse_number(value.text, number)) {
    refuse_type(option, origin, fmt::format("'{}'", value.text));
  }
  if (!std::isfinite(number)) refuse(option, origin, fmt::format("{} is not finite", value.text));
  check_number(option, origin, number);
  return number;
}

std::string parse_text(const Option& option, const std::string& origin, const Written& value) {
  const bool number = value.form == Form::kInteger || value.form == Form::kFloat;
  if (value.form == Form::kBoolean || (number && !option.number_allowed)) {
    refuse_type(option, origin, value.text);
  }
  check_text(option, origin, value.text);
  // One number, one text: 0.10 and 1e-1 are both written 0.1.
  double parsed = 0;
  if (option.number_allowed && parse_number(value.text, parsed)) return fmt::format("{}", parsed);
  return value.text;
}

// Sets the option from the values written for it; `list` says whether they were written as a list.
void assign(Option& option, const std::string& origin, const std::vector<Written>& values,
            bool list) {
  auto only = [&]() -> const Written& {
    if (list || values.size() != 1) refuse_type(option, origin, "a list");
    return values.front();
  };
  std::visit(Overloaded{
                 [&](bool* member) { *member = parse_boolean(option, origin, only()); },
                 [&](std::int64_t* member) { *member = parse_integer(option, origin, only()); },
                 [&](double* member) { *member = parse_real(option, origin, only()); },
                 [&](std::string* member) { *member = parse_text(option, origin, only()); },
                 [&](std::vector<std::int64_t>* member) {
                   std::vector<std::int64_t> parsed;
                   for (const auto& value : values)
                     parsed.push_back(parse_integer(option, origin, value));
                   *member = std::move(parsed);
                 },
                 [&](std::vector<std::string>* member) {
                   std::vector<std::string> parsed;
                   for (const auto& value : values)
                     parsed.push_back(parse_text(option, origin, value));
                   *member = std::move(parsed);
                 },
             },
             option.member);
  option.origin = origin;
}

Written written(const toml::node& node, const Option& option, const std::string& origin) {
  if (const auto* text = node.as_string()) return {text->get(), Form::kQuoted};
  if (const auto* integer = node.as_integer()) {
    return {fmt::format("{}", integer->get()), Form::kInteger};
  }
  if (const auto* real = node.as_floating_point()) {
    return {fmt::format("{}", real->get()), Form::kFloat};
  }
  if (const auto* boolean = node.as_boolean()) {
    return {boolean->get() ? "true" : "false", Form::kBoolean};
  }
  refuse_type(option, origin, "this value");
}

void assign_node(Option& option, const std::string& origin, const toml::node& node) {
  std::vector<Written> values;
  const auto* array = node.as_array();
  if (array != nullptr) {
    for (const auto& element : *array) values.push_back(written(element, option, origin));
  } else {
    values.push_back(written(node, option, origin));
  }
  assign(option, origin, values, array != nullptr);
}

// Without blanks around it, nor the quotes that a list written as in TOML has.
std::string list_element(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return "";
  text = text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
  const bool quoted = text.size() >= 2 && text.front() == text.back() &&
                      (text.front() == '"' || text.front() == '\'');
  return std::string(quoted ? text.substr(1, text.size() - 2) : text);
}

std::string nearest_key(std::string_view key, const std::vector<Option>& options) {
  std::vector<Meaning> known;
  for (const Option& option : options) {
    known.push_back({option.key, option.key});
    for (const auto& [name, meant] : other_names()) {
      if (meant == option.key) known.push_back({name, meant});
    }
  }
  return nearest_meaning(key, known);
}

// "did you mean 'ELBOW_TRAINING_BATCH'?" for ELBOW_BATCH_SIZE.
std::string environment_suggestion(const std::string& variable,
                                   const std::vector<Option>& options) {
  std::vector<std::string> names;
  std::vector<Meaning> known;
  for (const Option& option : options) {
    const std::string name = option.environment_name();
    names.push_back(name);
    known.push_back({name.substr(kEnvironmentPrefix.size()), name});
    known.push_back({option.name(), name});
    for (const auto& [other, meant] : other_names()) {
      if (meant == option.key) known.push_back({other, name});
    }
  }
  const std::string near = nearest_meaning(variable.substr(kEnvironmentPrefix.size()), known);
  return near.empty() ? suggestion(variable, names) : fmt::format("did you mean '{}'?", near);
}

bool holds_list(const Option& option) {
  return std::holds_alternative<std::vector<std::int64_t>*>(option.member) ||
         std::holds_alternative<std::vector<std::string>*>(option.member);
}

}  // namespace

NumberCheck at_least(double bound) {
  return [bound](double value) {
    return value >= bound ? "" : fmt::format("must be at least {}", bound);
  };
}

NumberCheck above(double bound) {
  return
      [bound](double value) { return value > bound ? "" : fmt::format("must be above {}", bound); };
}

NumberCheck between(double low, double high) {
  return [low, high](double value) {
    return value >= low && value <= high ? "" : fmt::format("must be from {} to {}", low, high);
  };
}

TextCheck one_of(std::vector<std::string> choices) {
  return [choices = std::move(choices)](const std::string& value) -> std::string {
    if (std::find(choices.begin(), choices.end(), value) != choices.end()) return "";
    const std::string near = nearest(value, choices);
    return fmt::format("is not one of {}{}", join(choices, ", "),
                       near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  };
}

std::string Option::environment_name() const {
  std::string upper = std::string(kEnvironmentPrefix) + key;
  for (char& c : upper) {
    c = c == '.' || c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return upper;
}

std::string Option::type_text() const {
  return std::visit(
      Overloaded{[](bool*) { return "true or false"; }, [](std::int64_t*) { return "an integer"; },
                 [](double*) { return "a number"; },
                 [this](std::string*) { return number_allowed ? "text or a number" : "text"; },
                 [](std::vector<std::int64_t>*) { return "a list of integers"; },
                 [](std::vector<std::string>*) { return "text or a list of texts"; }},
      member);
}

std::string Option::value_toml() const {
  return std::visit(Overloaded{
                        [](const bool* value) { return std::string(*value ? "true" : "false"); },
                        [](const std::int64_t* value) { return fmt::format("{}", *value); },
                        [](const double* value) { return number_toml(*value); },
                        [this](const std::string* value) {
                          double number = 0;
                          const bool bare = number_allowed && parse_number(*value, number);
                          return bare ? fmt::format("{}", number) : text_toml(*value);
                        },
                        [](const std::vector<std::int64_t>* value) {
                          return fmt::format("[{}]", fmt::join(*value, ", "));
                        },
                        [](const std::vector<std::string>* value) {
                          std::vector<std::string> quoted;
                          for (const auto& text : *value) quoted.push_back(text_toml(text));
                          return fmt::format("[{}]", join(quoted, ", "));
                        },
                    },
                    member);
}

Option& OptionTable::add(std::string key, Option::Member member, std::string help) {
  Option option;
  option.key = std::move(key);
  option.member = member;
  option.help = std::move(help);
  options_.push_back(std::move(option));
  return options_.back();
}

Option& OptionTable::add(std::string key, Option::Member member, std::string help,
                         NumberCheck check) {
  Option& option = add(std::move(key), member, std::move(help));
  option.number_check = std::move(check);
  return option;
}

Option& OptionTable::add(std::string key, Option::Member member, std::string help,
                         TextCheck check) {
  Option& option = add(std::move(key), member, std::move(help));
  option.text_check = std::move(check);
  return option;
}

const Option* OptionTable::find(std::string_view key) const {
  for (const auto& option : options_) {
    if (option.key == key) return &option;
  }
  return nullptr;
}

Option& OptionTable::require(std::string_view key, const std::string& origin) {
  for (auto& option : options_) {
    if (option.key == key) return option;
  }
  const std::string near = nearest_key(key, options_);
  throw ConfigError(fmt::format("there is no option '{}' (from {}){}", key, origin,
                                near.empty() ? "; 'elbow train --help' lists them all"
                                             : fmt::format("; did you mean '{}'?", near)));
}

void OptionTable::apply_file(const std::filesystem::path& path) {
  std::string text;
  try {
    text = read_file(path, kLargestConfiguration);
  } catch (const Error& error) {
    throw ConfigError(fmt::format("configuration: {}", error.what()));
  }
  apply_toml(text, path.string());
}

void OptionTable::apply_toml(std::string_view text, const std::string& origin) {
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw ConfigError(fmt::format("configuration {}, line {}: {}", origin,
                                  error.source().begin.line, error.description()));
  }
  for (const auto& [group, node] : root) {
    const auto* table = node.as_table();
    if (table == nullptr) {
      require(group.str(), fmt::format("{}, line {}", origin, node.source().begin.line));
      continue;
    }
    for (const auto& [name, value] : *table) {
      const std::string where = fmt::format("{}, line {}", origin, value.source().begin.line);
      assign_node(require(fmt::format("{}.{}", group.str(), name.str()), where), where, value);
    }
  }
}

void OptionTable::apply_environment() {
  std::vector<std::string> names;
  for (const auto& option : options_) names.push_back(option.environment_name());
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    if (!variable.starts_with(kEnvironmentPrefix)) continue;
    const std::string name(variable.substr(0, variable.find('=')));
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      throw ConfigError(fmt::format("environment variable {} names no option; {}", name,
                                    environment_suggestion(name, options_)));
    }
    const std::string key = options_[static_cast<std::size_t>(found - names.begin())].key;
    apply_text(key, std::string(variable.substr(name.size() + 1)), name);
  }
}

void OptionTable::apply_text(const std::string& key, const std::string& value,
                             const std::string& origin) {
  Option& option = require(key, origin);
  if (!holds_list(option)) return assign(option, origin, {{value, Form::kPlain}}, false);
  std::string_view inside = value;
  if (inside.size() >= 2 && inside.front() == '[' && inside.back() == ']') {
    inside = inside.substr(1, inside.size() - 2);
  }
  std::vector<Written> values;
  if (inside.find_first_not_of(" \t") != std::string_view::npos) {
    for (const auto& part : elbow::split(inside, ',')) {
      values.push_back({list_element(part), Form::kPlain});
    }
  }
  assign(option, origin, values, true);
}

std::string OptionTable::to_toml() const {
  std::string text;
  std::vector<std::string> groups;
  for (const auto& option : options_) {
    if (std::find(groups.begin(), groups.end(), option.group()) == groups.end()) {
      groups.push_back(option.group());
    }
  }
  for (const auto& group : groups) {
    text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", group);
    for (const auto& option : options_) {
      if (option.group() == group) {
        text += fmt::format("{} = {}\n", option.name(), option.value_toml());
      }
    }
  }
  return text;
}

}  // namespace elbow
