// Files that are either whole or not there.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace elbow {

// The name under which a file is made before it is renamed into place.
std::filesystem::path temporary_name(const std::filesystem::path& path);

// fsync of `temporary`, rename to `path`, fsync of the folder. Throws Error naming the path, and
// then leaves the temporary file to the caller.
void publish_file(const std::filesystem::path& temporary, const std::filesystem::path& path);

// `text` becomes the whole content of `path`, atomically: readers see the old file or the new one.
// Throws Error naming the path; the old file is then as it was, and no temporary file is left.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// The whole of a file of at most `limit` bytes. Throws Error naming the path.
std::string read_file(const std::filesystem::path& path, std::size_t limit);

}  // namespace elbow
