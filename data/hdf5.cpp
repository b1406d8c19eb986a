#include "data/hdf5.h"

#include <cstdlib>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/child_process.h"
#include "base/error.h"
#include "base/input_file.h"
#include "base/log.h"
#include "base/text.h"
#include "data/hdf5_reasons.h"

namespace elbow::hdf5 {
namespace {

constexpr int kDeepestGroup = 32;
constexpr std::size_t kMostLinks = 20000;
constexpr std::size_t kNamesInMessage = 8;

std::recursive_mutex& the_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

void prepare_library() {
  // An administrator's own setting is respected.
  ::setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0);
  // Handles close themselves; what a full disk left unclosed makes the library's own clean-up at
  // exit crash. It can be refused only before the library is used for the first time.
  if (H5dont_atexit() < 0) log::debug("HDF5 was used before it was prepared: it cleans up at exit");
  bool ready = H5open() >= 0;
  ready = H5PLset_loading_state(0) >= 0 && ready;
  if (!ready) throw DataError("the HDF5 library cannot be initialised");
}

// How data sets and links are opened: links to other files are refused.
herr_t refuse_external(const char*, const char*, const char*, const char*, unsigned*, hid_t,
                       void*) {
  return -1;
}

Handle link_access(hid_t property_class, std::string_view where) {
  Handle list(check(H5Pcreate(property_class), "prepare to open", where), H5Pclose);
  check(H5Pset_elink_cb(list.get(), refuse_external, nullptr), "switch off external links of",
        where);
  return list;
}

bool is_numeric(const Handle& data_set) {
  const Handle type(H5Dget_type(data_set.get()), H5Tclose);
  if (!type) return false;
  const H5T_class_t kind = H5Tget_class(type.get());
  return kind == H5T_INTEGER || kind == H5T_FLOAT || kind == H5T_ENUM;
}

struct Listing {
  hid_t links;  // how to open them
  bool numeric_only;
  std::size_t limit;
  std::size_t links_left = kMostLinks;  // groups that hold each other have no end
  std::vector<std::string> paths = {};
};

// By index and name rather than H5Ovisit, whose types differ between versions of the library.
// What cannot be opened (a dangling link, an external one) is no data set of this file.
void list_group(hid_t group, const std::string& prefix, int depth, Listing& listing) {
  H5G_info_t info{};
  if (H5Gget_info(group, &info) < 0) return;
  for (hsize_t i = 0; i < info.nlinks && listing.paths.size() < listing.limit; ++i) {
    if (listing.links_left == 0) return;
    --listing.links_left;
    const ssize_t length =
        H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT);
    if (length <= 0) continue;
    std::string name(static_cast<std::size_t>(length) + 1, '\0');
    if (H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name.data(), name.size(),
                           H5P_DEFAULT) < 0) {
      continue;
    }
    name.pop_back();
    const Handle object(H5Oopen(group, name.c_str(), listing.links), H5Oclose);
    if (!object) continue;
    const H5I_type_t kind = H5Iget_type(object.get());
    if (kind == H5I_DATASET && (!listing.numeric_only || is_numeric(object))) {
      listing.paths.push_back(prefix + name);
    } else if (kind == H5I_GROUP && depth < kDeepestGroup) {
      list_group(object.get(), prefix + name + "/", depth + 1, listing);
    }
  }
}

std::string no_such_data_set(const Handle& opened, const std::string& file,
                             const std::string& path) {
  std::vector<std::string> there = list_data_sets(opened, true);
  std::string message = fmt::format("{} has no data set {}", file, path);
  if (there.empty()) return message + "; it holds no numeric data set at all";
  const std::string near = nearest(path, there);
  if (!near.empty()) message += fmt::format("; did you mean {}?", near);
  const std::size_t count = there.size();
  if (count > kNamesInMessage) there.resize(kNamesInMessage);
  message += fmt::format("{} It holds {}", near.empty() ? "." : "", join(there, ", "));
  if (count > there.size()) message += fmt::format(" and {} more", count - there.size());
  return message;
}

}  // namespace

std::unique_lock<std::recursive_mutex> lock() {
  std::unique_lock<std::recursive_mutex> held(the_mutex());
  static const bool prepared = [] {
    prepare_library();
    return true;
  }();
  (void)prepared;
  // The setting belongs to the calling thread in a thread-safe build of the library.
  thread_local const bool silenced = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  (void)silenced;
  return held;
}

void rehearse(const std::string& where, const std::function<void()>& work) {
  const auto held = lock();  // no other thread is inside the library when the process is copied
  const ChildEnd end = run_in_child([&] {
    // The copy's only thread is another one to the mutex, and would wait for itself.
    std::construct_at(&the_mutex());
    work();
  });
  if (!end.error.empty()) throw DataError(end.error);
  if (end.death.empty()) return;
  throw DataError(
      fmt::format("{}: the HDF5 library {} in reading its structure: the file is damaged, or made "
                  "to do harm; get it again from where it came from",
                  where, end.death));
}

std::string version() {
  const auto held = lock();
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  check(H5get_libversion(&major, &minor, &release), "ask for the version of", "the HDF5 library");
  return fmt::format("{}.{}.{}", major, minor, release);
}

Handle::Handle(Handle&& other) noexcept
    : id_(std::exchange(other.id_, -1)), close_(std::exchange(other.close_, nullptr)) {}

Handle& Handle::operator=(Handle&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(close_, other.close_);
  return *this;
}

Handle::~Handle() {
  if (id_ < 0) return;
  const auto held = lock();
  if (close_(id_) < 0) log::error("HDF5: cannot close: {}", join(error_stack(), "; "));
}

void Handle::close(std::string_view what, std::string_view where) {
  const auto held = lock();
  const hid_t id = std::exchange(id_, -1);
  if (id >= 0) check(close_(id), what, where);
}

void Handle::discard() noexcept {
  const auto held = lock();
  const hid_t id = std::exchange(id_, -1);
  if (id >= 0 && close_(id) < 0) H5Eclear2(H5E_DEFAULT);
}

void fail(std::string_view what, std::string_view where, std::source_location location) {
  const std::vector<std::string> stack = error_stack();
  log::debug("{}:{}: cannot {} {}: {}", location.file_name(), location.line(), what, where,
             join(stack, "; "));
  // The first line says what was asked, the last why not; those between are the library's insides.
  std::string reason = last_words(stack);
  if (stack.size() > 1 && stack.front() != stack.back()) reason = stack.front() + ": " + reason;
  throw DataError(fmt::format("{}: cannot {}: {}", where, what, reason));
}

Handle open_file(const std::string& file) {
  const auto held = lock();
  errors_as<DataError>([&] { return InputFile(file); });
  Handle opened(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (opened) return opened;
  const std::vector<std::string> stack = error_stack();
  throw DataError(fmt::format("cannot open {}: {}", file, why_unopened(file, stack)));
}

Handle open_data_set(const Handle& opened, const std::string& file, const std::string& path) {
  const auto held = lock();
  const std::string where = data_set_name(file, path);
  const Handle links = link_access(H5P_LINK_ACCESS, where);
  const Handle access = link_access(H5P_DATASET_ACCESS, where);
  // Every chunk is read whole, once, into a cache of our own: one more copy in the library's would
  // only cost memory.
  check(H5Pset_chunk_cache(access.get(), 1, 0, H5D_CHUNK_CACHE_W0_DEFAULT), "set the chunk cache",
        where);
  Handle object(H5Oopen(opened.get(), path.c_str(), links.get()), H5Oclose);
  if (!object) {
    const std::vector<std::string> stack = error_stack();
    if (H5Lexists(opened.get(), path.c_str(), links.get()) > 0) {
      throw DataError(
          fmt::format("cannot open {}: {}", where, why_unopened(opened, links, file, path, stack)));
    }
    H5Eclear2(H5E_DEFAULT);
    throw DataError(no_such_data_set(opened, file, path));
  }
  if (H5Iget_type(object.get()) != H5I_DATASET) {
    throw DataError(no_such_data_set(opened, file, path) + "; " + path + " is a group");
  }
  return {check(H5Dopen2(opened.get(), path.c_str(), access.get()), "open", where), H5Dclose};
}

std::vector<std::string> list_data_sets(const Handle& opened, bool numeric_only,
                                        std::size_t limit) {
  const auto held = lock();
  const Handle links = link_access(H5P_LINK_ACCESS, "a file");
  Listing listing{links.get(), numeric_only, limit};
  const Handle root(H5Gopen2(opened.get(), "/", H5P_DEFAULT), H5Gclose);
  if (root) list_group(root.get(), "/", 0, listing);
  H5Eclear2(H5E_DEFAULT);
  return std::move(listing.paths);
}

std::string data_set_name(const std::string& file, const std::string& path) {
  return file + ":" + path;
}

std::vector<std::int64_t> shape_of(const Handle& data_set, std::string_view where) {
  const auto held = lock();
  const Handle space(check(H5Dget_space(data_set.get()), "read the shape", where), H5Sclose);
  if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) {
    throw DataError(fmt::format("{} is empty: it has no values", where));
  }
  const int rank = check(H5Sget_simple_extent_ndims(space.get()), "read the rank", where);
  std::vector<hsize_t> extent(static_cast<std::size_t>(rank));
  if (rank > 0) {
    check(H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr), "read the shape", where);
  }
  return {extent.begin(), extent.end()};
}

}  // namespace elbow::hdf5
