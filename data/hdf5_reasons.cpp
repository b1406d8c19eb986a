#include "data/hdf5_reasons.h"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "base/descriptor.h"

namespace elbow::hdf5 {
namespace {

bool mentions(const std::vector<std::string>& stack, std::string_view words) {
  return std::any_of(stack.begin(), stack.end(), [words](const std::string& line) {
    return line.find(words) != std::string::npos;
  });
}

// Whether a program on this host has the file open and locked, as HDF5 locks what it writes.
bool is_locked(const std::string& file) {
  const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  return opened.valid() && ::flock(opened.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

// Whether a newer HDF5 wrote the file, or an older one and it came to damage.
bool is_of_another_version(const std::vector<std::string>& stack) {
  return mentions(stack, "bad version number") || mentions(stack, "bad superblock version") ||
         mentions(stack, "unsupported");
}

std::string newer_form(const std::string& file, const std::string& path,
                       const std::vector<std::string>& stack) {
  return fmt::format(
      "HDF5 {} does not know its form ({}): a newer HDF5 wrote it, or it is damaged; where it can "
      "be read, this rewrites it: python3 -c \"import h5py; h5py.File('NEW.h5', 'w')['{}'] = "
      "h5py.File('{}')['{}'][()]\"",
      version(), last_words(stack), path, file, path);
}

// What a soft or an external link leads to.
std::string target_of(const Handle& opened, const std::string& path, const H5L_info_t& info) {
  std::vector<char> value(info.u.val_size + 1);
  if (H5Lget_val(opened.get(), path.c_str(), value.data(), info.u.val_size, H5P_DEFAULT) < 0) {
    return "?";
  }
  if (info.type == H5L_TYPE_SOFT) return value.data();
  unsigned flags = 0;
  const char* file = nullptr;
  const char* object = nullptr;
  if (H5Lunpack_elink_val(value.data(), info.u.val_size, &flags, &file, &object) < 0) return "?";
  return data_set_name(file, object);
}

}  // namespace

std::vector<std::string> error_stack() {
  std::vector<std::string> lines;
  const auto collect = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->push_back(error->desc ? error->desc : "");
    return 0;
  };
  if (H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, collect, &lines) < 0) lines.clear();
  H5Eclear2(H5E_DEFAULT);
  return lines;
}

std::string last_words(const std::vector<std::string>& stack) {
  if (stack.empty()) return "no reason given";
  constexpr std::string_view kBefore = "error message = '";
  const std::string& line = stack.back();
  const std::size_t found = line.find(kBefore);
  if (found == std::string::npos) return line;
  const std::size_t begin = found + kBefore.size();
  return line.substr(begin, line.find('\'', begin) - begin);
}

std::string why_unopened(const std::string& file, const std::vector<std::string>& stack) {
  const bool is_hdf5 = H5Fis_hdf5(file.c_str()) != 0;
  H5Eclear2(H5E_DEFAULT);
  if (is_locked(file) || mentions(stack, "unable to lock file")) {
    return "another program has it open for writing; wait until that has closed it";
  }
  // A mark that whoever writes it takes away in closing it.
  if (mentions(stack, "already open for")) {
    return fmt::format(
        "whoever wrote it has not closed it: it is still being written, perhaps on another host, "
        "or its writer was killed; once nobody writes it any more, 'h5clear -s {}' (of Debian's "
        "hdf5-tools) makes what was written readable",
        file);
  }
  if (mentions(stack, "truncated")) {
    return fmt::format(
        "the file is truncated ({}): it is still being written or copied, or that was interrupted; "
        "wait, or get it again",
        last_words(stack));
  }
  if (!is_hdf5) return "not an HDF5 file";
  if (is_of_another_version(stack)) return newer_form(file, "/PATH", stack);
  return fmt::format("the file is damaged ({})", last_words(stack));
}

std::string why_unopened(const Handle& opened, const Handle& links, const std::string& file,
                         const std::string& path, const std::vector<std::string>& stack) {
  H5L_info_t info{};
  const bool known = H5Lget_info(opened.get(), path.c_str(), &info, links.get()) >= 0;
  const bool leads_nowhere = H5Oexists_by_name(opened.get(), path.c_str(), links.get()) == 0;
  H5Eclear2(H5E_DEFAULT);
  if (known && info.type == H5L_TYPE_EXTERNAL) {
    return fmt::format(
        "it is a link to {}, and links to other files are not followed; name that file and path "
        "instead",
        target_of(opened, path, info));
  }
  if (known && info.type == H5L_TYPE_SOFT && leads_nowhere) {
    return fmt::format("it is a link to {}, which is not there", target_of(opened, path, info));
  }
  if (is_of_another_version(stack)) return newer_form(file, path, stack);
  return fmt::format("the file is damaged ({})", last_words(stack));
}

}  // namespace elbow::hdf5
