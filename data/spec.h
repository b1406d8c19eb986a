// How a user names data: FILE:/path, or a pattern of files.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace elbow {

struct PartName {
  std::string file;
  std::string path;  // begins with '/'
};

// Splits at the last ":/". Throws DataError showing how it should look, with the data sets of the
// file when only the path is missing.
PartName parse_spec(const std::string& spec);

// All parts that the specs name, patterns replaced by their matches sorted as bytes. Throws
// DataError when a pattern matches nothing, or a part comes twice (its samples would be in
// training and held out at once).
std::vector<PartName> expand_specs(const std::vector<std::string>& specs);

}  // namespace elbow
