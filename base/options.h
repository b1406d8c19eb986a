// One option, one definition. A component lists its options in a table (key, member, help, bounds);
// the same table feeds the command line, the environment and the configuration file, in this order
// of precedence, and writes the resolved configuration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace elbow {

// A check says what is wrong with a value ("must be at least 1"), or "" when nothing is.
using NumberCheck = std::function<std::string(double)>;
using TextCheck = std::function<std::string(const std::string&)>;

NumberCheck at_least(double bound);
NumberCheck above(double bound);
NumberCheck between(double low, double high);  // both allowed
TextCheck one_of(std::vector<std::string> choices);

struct Option {
  using Member = std::variant<bool*, std::int64_t*, double*, std::string*,
                              std::vector<std::int64_t>*, std::vector<std::string>*>;
  std::string key;  // "training.batch"
  Member member;
  std::string help;
  NumberCheck number_check;  // for numbers and lists of them
  TextCheck text_check;      // for text and lists of it
  // A text that may be written as a bare number (sigma = 0.1 or sigma = "learned"); a number is
  // kept in its shortest form, whichever way it was written.
  bool number_allowed = false;
  // May differ when a run goes on: it changes how the run is carried out, not what is computed.
  bool may_change = false;
  // What a run has whose files don't name the option, being older than it: the value that does what
  // was done then, written as on a command line. None for an option that every saved run names.
  std::optional<std::string> before;
  std::string origin = "default";  // or "c.toml", "ELBOW_...", "command line"

  std::string group() const { return key.substr(0, key.find('.')); }
  std::string name() const { return key.substr(key.find('.') + 1); }
  std::string environment_name() const;  // "ELBOW_TRAINING_BATCH"
  std::string type_text() const;         // "integer", "text", "list of integers"
  std::string value_toml() const;        // the value as TOML writes it
};

// A table refers to members of structures that must outlive it.
class OptionTable {
 public:
  // Adds an option; the returned reference takes what the arguments don't (may_change, ...) and is
  // valid until the next call.
  Option& add(std::string key, Option::Member member, std::string help);
  Option& add(std::string key, Option::Member member, std::string help, NumberCheck check);
  Option& add(std::string key, Option::Member member, std::string help, TextCheck check);

  const std::vector<Option>& options() const { return options_; }
  const Option* find(std::string_view key) const;

  // Each throws ConfigError naming the option, where its value came from, what is wrong with it and
  // what is valid. Apply in the order file, environment, command line: the later one wins. Numbers
  // must be finite. On a command line and in the environment a list is "a, b" or "[a, b]".
  void apply_file(const std::filesystem::path& path);
  void apply_toml(std::string_view text, const std::string& origin);
  void apply_environment();  // refuses an ELBOW_ variable that names no option
  void apply_text(const std::string& key, const std::string& value, const std::string& origin);

  // The whole configuration as TOML, group by group.
  std::string to_toml() const;

  // What a run saved, perhaps by an earlier version: as apply_toml, but an option that is not named
  // takes its value of `before`.
  void apply_saved_file(const std::filesystem::path& path);
  void apply_saved_toml(std::string_view text, const std::string& origin);

  // The options of one group as an object, by name, and back. Where nothing tells what an option
  // was that is not named, ConfigError says that it is missing; files may be a stranger's, and are
  // read within limits.
  nlohmann::ordered_json to_json(std::string_view group) const;
  void apply_saved_json(std::string_view group, const nlohmann::ordered_json& json,
                        const std::string& origin);

 private:
  Option& require(std::string_view key, const std::string& origin);
  void apply_before(std::string_view group);  // "": of all

  std::vector<Option> options_;
};

}  // namespace elbow
