// Everything of the program that reads what others may have written.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace elbow {

struct Reader {
  std::string name;
  // Where in a folder that holds a whole run (run/) and nothing else the file is put.
  std::filesystem::path place;
  // Reads it as the program does; the working directory is that folder. Throws Error when the file
  // is refused.
  std::function<void()> read;
};

std::vector<Reader> all_readers();

// Files that are not made by the program itself: car.mat, packed.mat, encoder.pt.
void write_seeds(const std::filesystem::path& folder);

}  // namespace elbow
