// The HDF5 C library behind one owner of identifiers and one check of return codes.
//
// Debian's serial HDF5 has a global lock of its own, other builds have none: every use of the
// library by this project holds hdf5::lock(), so that readers may live in different threads.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include <hdf5.h>

namespace elbow::hdf5 {

// Held around every use of the library. The first call prepares it: no locks on files (shared file
// systems often have none), no filter plugins (a file from elsewhere must not load code), and no
// printing of errors.
std::unique_lock<std::recursive_mutex> lock();

// Does `work`, which asks the library about files that may be a stranger's, in a child process
// first: a damaged or hostile file may crash the library, keep it busy for ever or take all memory.
// What comes to its end there can be done here. Throws DataError: what `work` threw, or what became
// of the child, naming `where`.
void rehearse(const std::string& where, const std::function<void()>& work);

std::string version();  // of the library, "1.10.8"

// The sole owner of an identifier; closed when it goes. A failure to close is logged.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Handle() = default;
  Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&& other) noexcept;
  ~Handle();

  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

  // Closes now and throws when that fails: data still unwritten is written here, and on a full
  // disk this is the only call that says so. `what` as for check.
  void close(std::string_view what, std::string_view where);

  // Closes what is thrown away: that unwritten data is lost with it is no failure.
  void discard() noexcept;

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

// Throws DataError "WHERE: cannot WHAT: HDF5's own words".
[[noreturn]] void fail(std::string_view what, std::string_view where,
                       std::source_location location = std::source_location::current());

// Returns `result`, or throws as `fail` when it is negative, as all failures of the library are.
// `what` completes "cannot ..."; `where` names the file and data set.
template <typename Result>
Result check(Result result, std::string_view what, std::string_view where,
             std::source_location location = std::source_location::current()) {
  if (result < 0) fail(what, where, location);
  return result;
}

// Opens a file for reading. Throws DataError that tells apart: no such file, a folder, no
// permission, not a regular file, not HDF5, truncated, still being written, of a newer HDF5,
// damaged.
Handle open_file(const std::string& file);

// Opens a data set of an open file; links to other files are not followed. `file` is for messages,
// which list what is there instead.
Handle open_data_set(const Handle& opened, const std::string& file, const std::string& path);

// Paths of the data sets of an open file, groups entered in the order of names, at most `limit`
// of them and 32 groups deep. With `numeric_only`, those of integers and floating-point numbers.
std::vector<std::string> list_data_sets(const Handle& opened, bool numeric_only,
                                        std::size_t limit = 10000);

// "FILE:/path", as data sets are named everywhere.
std::string data_set_name(const std::string& file, const std::string& path);

// A data set's extent, one number an axis; empty for a scalar. Throws for a null data space.
std::vector<std::int64_t> shape_of(const Handle& data_set, std::string_view where);

}  // namespace elbow::hdf5
