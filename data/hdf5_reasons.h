// What is wrong with a file that HDF5 does not read, in words that a person can act on.
#pragma once

#include <string>
#include <vector>

#include "data/hdf5.h"

namespace elbow::hdf5 {

// HDF5's descriptions of the last error, from the call that was made to the cause; they are
// forgotten by the library. The caller holds lock(), as for everything here.
std::vector<std::string> error_stack();

// The cause; the system's reason alone, where HDF5 gives it among addresses and the time of day.
std::string last_words(const std::vector<std::string>& stack);

// Why H5Fopen failed on a file that the system lets us read, and what to do about it.
std::string why_unopened(const std::string& file, const std::vector<std::string>& stack);

// Why what the link `path` names cannot be opened. `links`: how links are opened.
std::string why_unopened(const Handle& opened, const Handle& links, const std::string& file,
                         const std::string& path, const std::vector<std::string>& stack);

}  // namespace elbow::hdf5
