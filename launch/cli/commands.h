// The sub-commands of the program, one source each.
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "trainer/comm/communicator.h"
#include "trainer/run/saved_model.h"

namespace elbow {

// What the command line asks for. Parsing only chooses it; it runs afterwards, on every rank.
// Throws elbow::Error when it cannot be done.
using Action = std::function<void(Communicator&)>;

// Work that is one rank's; under mpirun the others wait for it, and fail when it does.
Action on_rank_0(std::function<void()> work);

// Flags of every sub-command.
inline constexpr const char* kQuietFlags = "-q,--quiet";
inline constexpr const char* kVerboseFlags = "-v,--verbose";

// What commands that use a trained model take.
struct ModelArguments {
  std::string run;
  std::string parameters = "best";  // last, average
  OwnNetworks own;
};
void add_model_options(CLI::App& command, ModelArguments& arguments);

// Each adds its sub-command to the program, whose callback sets `action`.
void add_data_command(CLI::App& program, Action& action);
void add_train_command(CLI::App& program, Action& action);
void add_evaluate_command(CLI::App& program, Action& action);
void add_sample_command(CLI::App& program, Action& action);
void add_reconstruct_command(CLI::App& program, Action& action);
void add_encode_command(CLI::App& program, Action& action);
void add_traverse_command(CLI::App& program, Action& action);
void add_interpolate_command(CLI::App& program, Action& action);
void add_swap_command(CLI::App& program, Action& action);
void add_export_command(CLI::App& program, Action& action);
void add_report_command(CLI::App& program, Action& action);
void add_status_command(CLI::App& program, Action& action);
void add_list_command(CLI::App& program, Action& action);
void add_doctor_command(CLI::App& program, Action& action);
void add_slurm_command(CLI::App& program, Action& action);

}  // namespace elbow
