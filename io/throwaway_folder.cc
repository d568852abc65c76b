#include "io/throwaway_folder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/check.h"
#include "io/throwaway_ca.h"

namespace isthmus::io {
namespace {

namespace fs = std::filesystem;

constexpr mode_t for_all = 0644, for_owner = 0600, folder_for_owner = 0700;
constexpr size_t most_pem_bytes = 64 << 10;

Result<std::string> read_pem(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail(Error::io(errno, "cannot read " + path));
  std::string text(most_pem_bytes + 1, '\0');
  size_t size = 0;
  ssize_t n = 0;
  while (size < text.size() && (n = ::read(fd, text.data() + size, text.size() - size)) > 0)
    size += static_cast<size_t>(n);
  const int error = errno;
  ::close(fd);
  if (n < 0) return fail(Error::io(error, "cannot read " + path));
  if (size > most_pem_bytes) return fail(path + " is no PEM file: it is larger than 64 KiB");
  text.resize(size);
  return text;
}

// Whatever is there under that name, a link to nothing too.
bool is_taken(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0;
}

// Files and their folder that are new, and are gone again unless they are kept.
class NewFiles {
 public:
  NewFiles() = default;
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;
  ~NewFiles() {
    for (const std::string& path : paths_) ::unlink(path.c_str());
    if (!folder_.empty()) ::rmdir(folder_.c_str());
  }

  Result<void> make_folder(const std::string& folder) {
    std::error_code error;
    fs::path path = fs::path(folder).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();  // "out/" is "out"
    if (fs::is_directory(path, error)) return {};
    error.clear();
    if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
    if (error || ::mkdir(path.c_str(), folder_for_owner) != 0)
      return fail(Error::io(error ? error.value() : errno, "cannot make the folder " + folder));
    folder_ = path.string();
    return {};
  }

  Result<void> write(const std::string& path, const std::string& text, mode_t mode) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return fail(Error::io(errno, "cannot make " + path));
    paths_.push_back(path);
    size_t done = 0;
    ssize_t n = 0;
    while (done < text.size() && (n = ::write(fd, text.data() + done, text.size() - done)) > 0)
      done += static_cast<size_t>(n);
    const int error = errno;
    ::close(fd);
    if (done < text.size()) return fail(Error::io(error, "cannot write " + path));
    return {};
  }
  void keep() {
    paths_.clear();
    folder_.clear();
  }

 private:
  std::vector<std::string> paths_;
  std::string folder_;  // only if it is new
};

std::optional<std::string> wish_problem(const ThrowawayWish& wish) {
  if (wish.names.empty()) return "no name to make a certificate for";
  if (std::max(wish.names.size(), wish.hosts.size()) > most_certificates)
    return fmt::format("too many at once; at most {} names and as many hosts", most_certificates);
  for (size_t i = 0; i < wish.names.size(); ++i) {
    const std::string& name = wish.names[i];
    if (auto problem = certificate_name_problem(name); !problem.empty()) return problem;
    if (std::find(wish.names.begin(), wish.names.begin() + static_cast<ptrdiff_t>(i), name) !=
        wish.names.begin() + static_cast<ptrdiff_t>(i))
      return fmt::format("\"{}\" stands twice", name);
  }
  for (const std::string& host : wish.hosts) {
    if (auto problem = host_problem(host); !problem.empty()) return problem;
  }
  return std::nullopt;
}

struct Paths {
  std::string certificate, key;
};
Paths paths_of(const std::string& folder, const std::string& name) {
  const std::string begin = (fs::path(folder) / name).string();
  return {begin + ".crt", begin + ".key"};
}

// The folder's own authority, or nothing if it has none.
Result<std::optional<ThrowawayCa>> find_ca(const Paths& paths, int64_t now_s) {
  const bool certificate = is_taken(paths.certificate), key = is_taken(paths.key);
  if (!certificate && !key) return std::nullopt;
  if (!certificate || !key)
    return fail(fmt::format("{} is there without {}; take another folder",
                            certificate ? paths.certificate : paths.key,
                            certificate ? paths.key : paths.certificate));
  auto certificate_pem = read_pem(paths.certificate);
  if (!certificate_pem) return fail(certificate_pem.error());
  auto key_pem = read_pem(paths.key);
  if (!key_pem) return fail(key_pem.error());
  auto ca = ThrowawayCa::load({std::move(*certificate_pem), std::move(*key_pem)}, now_s);
  if (!ca)
    return fail(fmt::format("{}: {}; take another folder", paths.certificate, ca.error().text));
  return std::optional(std::move(*ca));
}

Result<void> write_pair(NewFiles& files, const Paths& paths, const PemPair& pem) {
  if (auto written = files.write(paths.key, pem.key, for_owner); !written) return written;
  return files.write(paths.certificate, pem.certificate, for_all);
}

}  // namespace

Result<MadeCertificates> make_throwaway_certificates(const ThrowawayWish& wish) {
  CHECK(wish.days > 0, "the command has looked at the days");
  if (auto problem = wish_problem(wish)) return fail(*problem);
  const Paths ca_paths = paths_of(wish.folder, "ca");
  auto found = find_ca(ca_paths, wish.now_s);
  if (!found) return fail(found.error());
  for (const std::string& name : wish.names) {
    const Paths paths = paths_of(wish.folder, name);
    for (const std::string* path : {&paths.certificate, &paths.key}) {
      if (is_taken(*path)) return fail(*path + " is there already; nothing was made");
    }
  }
  NewFiles files;
  if (auto made = files.make_folder(wish.folder); !made) return fail(made.error());

  const bool is_new_ca = !*found;
  const ThrowawayCa ca =
      is_new_ca ? ThrowawayCa::create(wish.now_s, wish.days) : std::move(**found);
  MadeCertificates result{ca_paths.certificate, is_new_ca, ca.valid_until_s(), {}};
  if (is_new_ca) {
    if (auto written = write_pair(files, ca_paths, ca.pem()); !written)
      return fail(written.error());
  }
  for (const std::string& name : wish.names) {
    const Paths paths = paths_of(wish.folder, name);
    const ThrowawayCa::Issued issued = ca.issue({name, wish.hosts}, wish.now_s, wish.days);
    if (auto written = write_pair(files, paths, issued.pem); !written) return fail(written.error());
    result.made.push_back({name, paths.certificate, paths.key, issued.valid_until_s});
  }
  files.keep();
  return result;
}

}  // namespace isthmus::io
