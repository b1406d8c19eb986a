#include "trainer/run/safetensors.h"

#include <array>
#include <cstddef>
#include <span>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/input_file.h"
#include "base/json_input.h"
#include "base/text.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kLargestHeader = 16 << 20;
constexpr std::size_t kLargestRank = 16;
constexpr std::uint64_t kLongestAxis = std::uint64_t{1} << 48;
constexpr char kMetadata[] = "__metadata__";
constexpr char kContentHash[] = "content_hash";

struct TypeName {
  const char* name;
  torch::ScalarType type;
};
constexpr TypeName kTypes[] = {
    {"F64", torch::kDouble}, {"F32", torch::kFloat}, {"I64", torch::kLong}, {"U8", torch::kByte}};

const char* name_of(torch::ScalarType type) {
  for (const auto& known : kTypes) {
    if (known.type == type) return known.name;
  }
  throw Error(fmt::format("safetensors: no name for type {}", c10::toString(type)));
}

[[noreturn]] void invalid(const std::filesystem::path& path, const std::string& problem) {
  throw CheckpointError(
      fmt::format("{} is not a valid safetensors file: {}", path.string(), problem));
}

// Header padded with spaces to a multiple of 8, so that the values begin aligned.
std::string make_header(const NamedTensors& tensors,
                        const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  std::int64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto end = offset + static_cast<std::int64_t>(tensor.nbytes());
    header[name] = {{"dtype", name_of(tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

struct Entry {
  torch::ScalarType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

torch::ScalarType type_named(const std::filesystem::path& path, const std::string& name) {
  for (const auto& known : kTypes) {
    if (name == known.name) return known.type;
  }
  invalid(path, fmt::format("type '{}' is not known", name));
}

// A tensor's description, checked against the `available` bytes of values.
Entry parse_entry(const std::filesystem::path& path, const std::string& name, const Json& json,
                  std::uint64_t available) {
  Entry entry;
  entry.type = type_named(path, json.at("dtype").get<std::string>());
  const Json& shape = json.at("shape");
  if (shape.size() > kLargestRank) invalid(path, fmt::format("'{}' has too many axes", name));
  std::uint64_t bytes = torch::elementSize(entry.type);
  for (const Json& axis : shape) {
    if (!axis.is_number_unsigned() || axis.get<std::uint64_t>() > kLongestAxis) {
      invalid(path, fmt::format("'{}' has an impossible shape", name));
    }
    const auto length = axis.get<std::uint64_t>();
    if (length != 0 && bytes > available / length) {
      invalid(path, fmt::format("'{}' is larger than the file", name));
    }
    bytes *= length;
    entry.shape.push_back(static_cast<std::int64_t>(length));
  }
  for (const int i : {0, 1}) {
    if (!json.at("data_offsets").at(i).is_number_unsigned()) {
      invalid(path, fmt::format("'{}' has impossible offsets", name));
    }
  }
  entry.begin = json.at("data_offsets").at(0).get<std::uint64_t>();
  entry.end = json.at("data_offsets").at(1).get<std::uint64_t>();
  if (entry.end > available || entry.begin > entry.end || entry.end - entry.begin != bytes) {
    invalid(path, fmt::format("the bytes of '{}' don't fit its shape", name));
  }
  return entry;
}

struct Header {
  std::map<std::string, Entry> entries;
  std::string content_hash;  // "" where it has none
};

// Refuses entries that do not lie side by side in all of the `available` bytes.
void check_extents(const std::filesystem::path& path, const std::map<std::string, Entry>& entries,
                   std::uint64_t available) {
  std::map<std::uint64_t, std::uint64_t> extents;
  for (const auto& [name, entry] : entries) {
    if (entry.begin != entry.end && !extents.emplace(entry.begin, entry.end).second) {
      invalid(path, fmt::format("'{}' lies where another tensor lies", name));
    }
  }
  std::uint64_t covered = 0;
  for (const auto& [begin, end] : extents) {
    if (begin != covered) invalid(path, "its tensors overlap or leave gaps");
    covered = end;
  }
  if (covered != available) invalid(path, "it has more bytes than its header describes");
}

Header parse_header(const std::filesystem::path& path, const std::string& text,
                    std::uint64_t available) {
  Header header;
  try {
    const Json object = parse_json(text);
    if (!object.is_object()) invalid(path, "its header is no JSON object");
    for (const auto& [name, json] : object.items()) {
      if (name == kMetadata) {
        header.content_hash = find_text(json, kContentHash);
      } else {
        header.entries[name] = parse_entry(path, name, json, available);
      }
    }
  } catch (const Json::exception& error) {
    invalid(path, json_problem(error));
  } catch (const CheckpointError&) {
    throw;
  } catch (const std::exception& error) {
    invalid(path, error.what());
  }
  check_extents(path, header.entries, available);
  return header;
}

std::uint64_t little_endian(const std::array<std::byte, 8>& bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) {
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[i - 1]);
  }
  return value;
}

}  // namespace

std::string content_hash(const NamedTensors& tensors) {
  Hash hash;
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor host = tensor.detach().cpu().contiguous();
    hash.add(name);
    hash.add(std::span(static_cast<const std::byte*>(host.data_ptr()), host.nbytes()));
  }
  return hash.hex();
}

void write_safetensors(const std::function<void(std::string_view)>& write,
                       const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::string header = make_header(tensors, metadata);
  char length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  write({length, sizeof length});
  write(header);
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor host = tensor.detach().cpu().contiguous();
    write({static_cast<const char*>(host.data_ptr()), host.nbytes()});
  }
}

void save_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                      std::map<std::string, std::string> metadata, const AtomicWrite& write) {
  metadata[kContentHash] = content_hash(tensors);
  write(path, [&](NewFile& file) {
    write_safetensors([&](std::string_view bytes) { file.write(bytes); }, tensors, metadata);
  });
}

NamedTensors load_safetensors(const std::filesystem::path& path) {
  return errors_as<CheckpointError>([&] {
    const InputFile file(path);
    const std::uint64_t size = file.size();
    std::array<std::byte, 8> length{};
    if (size < length.size()) invalid(path, "it is too short");
    file.read(0, length);
    const std::uint64_t header_size = little_endian(length);
    if (header_size > kLargestHeader || header_size > size - length.size()) {
      invalid(path, "its header is longer than allowed");
    }
    std::string text(header_size, '\0');
    file.read(length.size(), std::as_writable_bytes(std::span(text)));
    const auto values_begin = length.size() + header_size;
    const Header header = parse_header(path, text, size - values_begin);
    NamedTensors tensors;
    for (const auto& [name, entry] : header.entries) {
      torch::Tensor tensor = torch::empty(entry.shape, entry.type);
      file.read(values_begin + entry.begin,
                std::span(static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()));
      tensors.emplace(name, std::move(tensor));
    }
    if (!header.content_hash.empty() && header.content_hash != content_hash(tensors)) {
      throw CheckpointError(
          fmt::format("{} is damaged: its content does not match its content_hash", path.string()));
    }
    return tensors;
  });
}

void assign(const NamedTensors& targets, const NamedTensors& stored,
            const std::filesystem::path& path) {
  const auto refuse_tensor = [&](const std::string& problem) {
    throw CheckpointError(fmt::format("{}: {}", path.string(), problem));
  };
  if (targets.size() != stored.size()) {
    throw CheckpointError(fmt::format("{} holds {} tensors, the model has {}", path.string(),
                                      stored.size(), targets.size()));
  }
  for (const auto& [name, target] : targets) {
    const auto found = stored.find(name);
    if (found == stored.end()) {
      throw CheckpointError(fmt::format("{} has no '{}'", path.string(), name));
    }
    const torch::Tensor& value = found->second;
    if (value.scalar_type() != target.scalar_type()) {
      refuse_tensor(fmt::format("'{}' has another type than the model's", name));
    }
    if (value.sizes() != target.sizes()) {
      refuse_tensor(fmt::format("'{}' has shape {}, the model's has {}", name,
                                shape_text(value.sizes()), shape_text(target.sizes())));
    }
    if (!value.isfinite().all().item<bool>()) {
      refuse_tensor(fmt::format("'{}' holds a NaN or an infinity", name));
    }
  }
  torch::NoGradGuard no_grad;
  for (const auto& [name, target] : targets) torch::Tensor(target).copy_(stored.at(name));
}

}  // namespace elbow
