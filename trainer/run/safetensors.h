// The safetensors format: named tensors in a file that executes nothing. An 8-byte little-endian
// header length, a JSON header {name: {dtype, shape, data_offsets}}, then the values. Read and
// written by Hugging Face's `safetensors` as well. It has no checksum of its own.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <torch/types.h>

namespace elbow {

using NamedTensors = std::map<std::string, torch::Tensor>;

// The file's bytes, piece by piece. Tensors of type float, double,
// int64 or uint8, on the host; the bytes depend on names, values and metadata alone.
void write_safetensors(const std::function<void(std::string_view)>& write,
                       const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

// Written under a temporary name, flushed to disk and renamed. Throws Error naming the path.
void save_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata = {});

// Every tensor of the file, as copies. The file may come from a stranger: whatever is not a
// complete, gapless description of the file's bytes is refused before anything large is allocated,
// with a CheckpointError naming the path.
NamedTensors load_safetensors(const std::filesystem::path& path);

// Copies stored values into `targets`; names, types and shapes must agree one to one, and all
// values be finite. Throws CheckpointError naming the path and the tensor, before anything is
// copied.
void assign(const NamedTensors& targets, const NamedTensors& stored,
            const std::filesystem::path& path);

}  // namespace elbow
