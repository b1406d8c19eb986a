#include "trainer/comm/failure.h"

#include <cstdint>
#include <filesystem>
#include <new>

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include "base/machine.h"
#include "base/text.h"

namespace elbow {
namespace {

constexpr char kRemedy[] =
    "a smaller batch or block, smaller model.widths, or fewer ranks on this machine need less; "
    "'elbow train --dry-run' shows what a training takes";

// The number behind `words`, "" where they are not there.
std::string_view number_behind(std::string_view text, std::string_view words) {
  const auto found = text.find(words);
  if (found == std::string_view::npos) return {};
  text.remove_prefix(found + words.size());
  return text.substr(0, text.find_first_not_of("0123456789"));
}

}  // namespace

std::string memory_problem(std::string_view libtorch_message) {
  if (libtorch_message.starts_with("CUDA out of memory")) {
    return fmt::format("{}; {}", libtorch_message.substr(0, libtorch_message.find('\n')), kRemedy);
  }
  std::int64_t bytes = 0;
  if (!parse_number(number_behind(libtorch_message, "you tried to allocate "), bytes)) return "";
  return fmt::format("out of memory: {} were asked for at once, and {} are available; {}",
                     human_bytes(static_cast<double>(bytes)), human_bytes(main_memory().available),
                     kRemedy);
}

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {  // which does not tell how much was asked for
    return {ExitCode::kFailed, fmt::format("out of memory; {}", kRemedy)};
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    const std::string memory = memory_problem(message);
    return {ExitCode::kFailed, memory.empty() ? "LibTorch: " + message : memory};
  } catch (const std::filesystem::filesystem_error& error) {
    return {ExitCode::kFailed,
            fmt::format("cannot access {}: {}", error.path1().string(), error.code().message())};
  } catch (const std::exception& error) {
    return {ExitCode::kFailed, fmt::format("unexpected error: {}", error.what())};
  }
}

}  // namespace elbow
