// The safetensors format: named tensors in a file that executes nothing. An 8-byte little-endian
// header length, a JSON header {name: {dtype, shape, data_offsets}}, then the values. Read and
// written by Hugging Face's `safetensors` as well. The format has no checksum: a file that
// save_safetensors() wrote has one in its metadata, as content_hash.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <torch/types.h>

#include "base/atomic_file.h"

namespace elbow {

using NamedTensors = std::map<std::string, torch::Tensor>;

// A hash of names and values.
std::string content_hash(const NamedTensors& tensors);

// The file's bytes, piece by piece. Tensors of type float, double,
// int64 or uint8, on the host; the bytes depend on names, values and metadata alone.
void write_safetensors(const std::function<void(std::string_view)>& write,
                       const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

// The file with its content_hash added to the metadata; `write`: how it is written. Throws Error
// naming the path.
void save_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                      std::map<std::string, std::string> metadata,
                      const AtomicWrite& write = write_atomically);

// Every tensor of the file, as copies. The file may come from a stranger: whatever is not a
// complete, gapless description of the file's bytes is refused before anything large is allocated,
// and content that is not what its content_hash says, where it has one, with a CheckpointError
// naming the path.
NamedTensors load_safetensors(const std::filesystem::path& path);

// Copies stored values into `targets`; names, types and shapes must agree one to one, and all
// values be finite. Throws CheckpointError naming the path and the tensor, before anything is
// copied.
void assign(const NamedTensors& targets, const NamedTensors& stored,
            const std::filesystem::path& path);

}  // namespace elbow
