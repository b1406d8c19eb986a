#include "launch/cli/configuration.h"

#include "base/error.h"
#include "base/text.h"
#include "trainer/comm/watch/watchdog.h"
#include "trainer/model/default_widths.h"

namespace elbow {
namespace {

// The option whose default follows from others, as its help tells.
constexpr const char* kFollowing = "model.widths";

void apply_stored(OptionTable& table, const std::string& stored) {
  try {
    table.apply_saved_toml(stored, "the run's config.toml");
  } catch (const ConfigError& error) {
    throw CheckpointError(fmt::format(
        "{}: it is damaged; restore it from a backup, or from the text under 'configuration' in a "
        "checkpoint's manifest.json",
        error.what()));
  }
}

bool is_given(const OptionTable& table, std::string_view key) {
  return table.find(key)->origin != Option().origin;
}

void settle_defaults(OptionTable& table) {
  if (is_given(table, kFollowing)) return;
  const auto text = [&](const char* key) {
    return *std::get<std::string*>(table.find(key)->member);
  };
  const auto widths = default_widths(text("model.kind"), text("model.network"));
  table.apply_text(kFollowing, shape_text(widths), Option().origin);
}

void add_options(CLI::App& command, const OptionTable& table, GivenOptions& given) {
  for (const Option& option : table.options()) {
    const bool in_help = option.key == kFollowing;
    const std::string help =
        in_help ? option.help : fmt::format("{} [{}]", option.help, option.value_toml());
    command
        .add_option_function<std::string>(
            "--" + option.key,
            [&given, key = option.key](const std::string& value) { given[key] = value; }, help)
        ->type_name(option.type_text())
        ->group("[" + option.group() + "]");
  }
}

}  // namespace

OptionTable Configuration::table() {
  OptionTable table;
  declare(table, data);
  declare(table, observation);
  declare(table, model);
  declare(table, training);
  declare(table, optimizer);
  declare(table, evaluation);
  declare(table, checkpoint);
  declare(table, metrics);
  declare(table, job);
  return table;
}

void add_configuration_options(CLI::App& command, GivenOptions& given) {
  Configuration defaults;
  add_options(command, defaults.table(), given);
}

void add_job_options(CLI::App& command, GivenOptions& given) {
  JobOptions defaults;
  OptionTable table;
  declare(table, defaults);
  add_options(command, table, given);
}

void limit_waits(Communicator& comm, const GivenOptions& given) {
  Configuration configuration;
  OptionTable table = configuration.table();
  together(comm, [&] { resolve(table, {}, given); });
  require_same(comm, facts_of(table));
  limit_waits(comm, configuration.job);
}

void limit_waits(Communicator& comm, const JobOptions& options) {
  if (Watchdog* const watchdog = comm.watchdog()) watchdog->set_limits(limits_of(options));
}

void resolve(OptionTable& table, const std::filesystem::path& file, const GivenOptions& given) {
  if (!file.empty()) table.apply_file(file);
  table.apply_environment();
  for (const auto& [key, value] : given) table.apply_text(key, value, "the command line");
  settle_defaults(table);
}

void keep_defaults_of(const std::string& stored, OptionTable& table) {
  Configuration before;
  OptionTable before_table = before.table();
  apply_stored(before_table, stored);
  for (const Option& option : before_table.options()) {
    if (is_given(table, option.key)) continue;
    if (option.key == kFollowing) {
      table.apply_text(kFollowing, option.value_toml(), "the run's config.toml");
    } else if (option.before && option.origin == Option().origin) {
      table.apply_text(option.key, *option.before, "the run, which is older than the option");
    }
  }
}

Difference difference(const std::string& stored, const OptionTable& table) {
  Configuration before;
  OptionTable before_table = before.table();
  apply_stored(before_table, stored);
  Difference found;
  for (const Option& option : table.options()) {
    const std::string old_value = before_table.find(option.key)->value_toml();
    if (old_value == option.value_toml()) continue;
    (option.may_change ? found.allowed : found.shaping) +=
        fmt::format("\n  {}: was {}, now {} (from {})", option.key, old_value, option.value_toml(),
                    option.origin);
  }
  return found;
}

Facts facts_of(const OptionTable& table) {
  Facts facts;
  for (const Option& option : table.options()) {
    facts.emplace_back(option.key, option.value_toml());
  }
  return facts;
}

Configuration parsed_configuration(const std::string& toml, const std::string& origin) {
  Configuration configuration;
  configuration.table().apply_saved_toml(toml, origin);
  return configuration;
}

Configuration stored_configuration(const std::filesystem::path& file) {
  Configuration configuration;
  configuration.table().apply_saved_file(file);
  return configuration;
}

}  // namespace elbow
